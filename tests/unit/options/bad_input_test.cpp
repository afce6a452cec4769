// Every option of a configuration, misspelt, of a wrong type and out of its range: made from the descriptions, so that a
// new option is covered when it is described.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "options/field_list.h"
#include "options/node.h"
#include "options/read.h"
#include "options/run_options.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/options/messages.h"

namespace holdfast {

// The name of the test in ctest's list.
void PrintTo(const DescribedField& field, std::ostream* out) { *out << field.dotted(); }

namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The field in a file of its own, block style, one level of the path a line.
struct Written {
  std::string text;
  int line = 0;
  int key_column = 0;
  int value_column = 0;
  std::string parent;  // in messages: "optimizers.main"
  std::string path;    // "optimizers.main.lr"
};

Written write(const DescribedField& field, const std::string& key, const std::string& value) {
  Written out{.text = "# the first line\n", .line = 2};
  std::string indent;
  for (std::size_t i = 0; i + 1 < field.path.size(); ++i, ++out.line, indent += "  ") {
    const bool is_index = field.path[i] == kAnyIndex;
    const std::string part = is_index ? "0" : field.path[i] == kAnyName ? "main" : field.path[i];
    out.text += indent + (is_index ? "-" : part + ":") + "\n";
    out.parent = join_path(out.parent, part);
  }
  out.text += fmt::format("{}{}: {}\n", indent, key, value);
  out.key_column = static_cast<int>(indent.size()) + 1;
  out.value_column = out.key_column + static_cast<int>(key.size()) + 2;
  out.path = join_path(out.parent, key);
  return out;
}

std::string error_in(const Written& written) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("bad.yaml", written.text);
  std::string message = config_error_of([&] { load_configuration(file); });
  const std::string folder = directory.path().string() + "/";
  if (message.rfind(folder, 0) == 0) message.erase(0, folder.size());
  return message;
}

std::string misspelt(const std::string& key) {
  std::string word = key;
  std::swap(word[0], word[1]);
  return word == key ? key + "x" : word;
}

// What messages call a type, written down here a second time so that a change of it is seen.
std::string expected_words(const DescribedField& field) {
  switch (field.type) {
    case FieldType::boolean: return "expected true or false";
    case FieldType::integer: return "expected an integer";
    case FieldType::number: return "expected a number";
    case FieldType::text: return field.choices.empty() ? "expected text" : "expected one of " + field.choices.front();
    case FieldType::integers: return "expected a list of integers";
    case FieldType::numbers: return "expected a list of numbers";
    case FieldType::texts: return field.takes_one_text ? "expected a text or a list of texts" : "expected a list of texts";
    case FieldType::section: return "expected a section";
    case FieldType::list: return "expected a list of sections";
    case FieldType::map: return "expected sections by name";
  }
  return "";
}

std::vector<std::string> values_of_wrong_type(const DescribedField& field) {
  switch (field.type) {
    case FieldType::boolean: return {"yes", "1", "0", "True", "\"true\"", "[true]", "{a: 1}"};
    case FieldType::integer: return {"abc", "2.0", "1e3", "true", "\"3\"", "[3]", "{a: 1}"};
    case FieldType::number: return {"abc", "true", ".nan", ".inf", "\"1\"", "[1]", "{a: 1}"};
    case FieldType::text:
      if (!field.choices.empty()) return {"no-such-word", "[a]", "{a: 1}"};
      return {"[a]", "{a: 1}"};
    case FieldType::integers:
    case FieldType::numbers: return {"5", "abc", "{a: 1}"};
    case FieldType::texts:
      if (field.takes_one_text) return {"{a: 1}", "{run: mail}"};
      return {"5", "abc", "{a: 1}"};
    case FieldType::section:
    case FieldType::map: return {"abc", "5", "[1]"};
    case FieldType::list: return {"abc", "5", "{a: 1}"};
  }
  return {};
}

bool is_integer(const DescribedField& field) { return field.type == FieldType::integer || field.type == FieldType::integers; }
bool is_list(const DescribedField& field) { return field.type == FieldType::integers || field.type == FieldType::numbers; }
bool is_number(const DescribedField& field) { return is_integer(field) || is_list(field) || field.type == FieldType::number; }

std::string number_text(const DescribedField& field, double value) {
  return is_integer(field) ? fmt::format("{}", static_cast<std::int64_t>(value)) : fmt::format("{}", value);
}

std::vector<std::string> values_out_of_range(const DescribedField& field) {
  std::vector<double> values;
  if (std::isfinite(field.min)) values.insert(values.end(), {field.min - 1, field.min - 1e9});
  if (std::isfinite(field.max)) values.insert(values.end(), {field.max + 1, field.max + 1e9});
  if (field.min_is_excluded) values.push_back(field.min);
  if (field.max_is_excluded) values.push_back(field.max);
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(number_text(field, value));
  return texts;
}

std::vector<std::string> values_at_the_bounds(const DescribedField& field) {
  std::vector<std::string> texts;
  if (std::isfinite(field.min)) texts.push_back(number_text(field, field.min + (field.min_is_excluded ? 1e-6 : 0)));
  if (std::isfinite(field.max)) texts.push_back(number_text(field, field.max - (field.max_is_excluded ? 1e-6 : 0)));
  return texts;
}

// A value that is allowed and is not the default.
nlohmann::json another_value(const DescribedField& field) {
  const double low = std::isfinite(field.min) ? field.min : 0;
  switch (field.type) {
    case FieldType::boolean: return field.default_json == "false";
    case FieldType::integer: return static_cast<std::int64_t>(low) + 7;
    case FieldType::number: return low + 0.625;
    case FieldType::text:
      if (field.choices.empty()) return "other";
      return nlohmann::json(field.choices.front()).dump() == field.default_json ? field.choices.back() : field.choices.front();
    case FieldType::integers: return {static_cast<std::int64_t>(low) + 7, static_cast<std::int64_t>(low) + 8};
    case FieldType::numbers: return {low + 0.625, low + 0.75};
    case FieldType::texts: return {"one", "two"};
    default: return {{"key", 1}};
  }
}

class EveryOption : public testing::TestWithParam<DescribedField> {};

TEST_P(EveryOption, IsRefusedMisspeltWithItsPlaceAndTheRightName) {
  const DescribedField& field = GetParam();
  const std::string wrong = misspelt(field.name());
  const Written written = write(field, wrong, field.is_group() ? "" : field.default_json);
  const std::string place = written.parent.empty() ? "at the top level" : "in " + written.parent;
  EXPECT_EQ(error_in(written), fmt::format("bad.yaml:{}:{}: unknown key '{}' {}: did you mean '{}'?", written.line, written.key_column,
                                           wrong, place, field.name()));
}

TEST_P(EveryOption, IsRefusedWithAWrongType) {
  const DescribedField& field = GetParam();
  const std::vector<std::string> values = values_of_wrong_type(field);
  ASSERT_GE(values.size(), 2u);
  for (const std::string& value : values) {
    const Written written = write(field, field.name(), value);
    const std::string message = error_in(written);
    EXPECT_THAT(message,
                StartsWith(fmt::format("bad.yaml:{}:{}: {}: {}", written.line, written.value_column, written.path, expected_words(field))));
    const std::string found = value[0] == '['   ? "a list"
                              : value[0] == '{' ? "a section"
                              : value[0] == '"' ? "the text " + value
                                                : "'" + value + "'";
    EXPECT_THAT(message, HasSubstr(", found " + found));
  }
}

TEST_P(EveryOption, IsRefusedEmptyUnlessNothingIsAValue) {
  const DescribedField& field = GetParam();
  const Written written = write(field, field.name(), "");
  Configuration configuration;
  const std::string message = config_error_of([&] { read_options(OptionTree::from_text(written.text, "bad.yaml"), configuration); });
  const bool is_scalar = field.type == FieldType::boolean || field.type == FieldType::integer || field.type == FieldType::number ||
                         field.type == FieldType::text;
  if (is_scalar && !field.is_optional) {
    EXPECT_THAT(message,
                StartsWith(fmt::format("bad.yaml:{}:{}: {}: {}", written.line, written.key_column, written.path, expected_words(field))));
    EXPECT_THAT(message, HasSubstr(", found nothing"));
  } else {
    EXPECT_EQ(message, "(no ConfigError)");
  }
}

class EveryValue : public testing::TestWithParam<DescribedField> {};

TEST_P(EveryValue, IsReadAndShown) {
  const DescribedField& field = GetParam();
  const nlohmann::json value = another_value(field);
  ASSERT_NE(value.dump(), field.default_json);
  const Written written = write(field, field.name(), value.dump());
  Configuration configuration;
  read_options(OptionTree::from_text(written.text, "good.yaml"), configuration);
  std::string pointer = "/" + written.path;
  std::replace(pointer.begin(), pointer.end(), '.', '/');
  EXPECT_EQ(to_json(configuration).at(nlohmann::json::json_pointer(pointer)), value);
}

class EveryNumber : public testing::TestWithParam<DescribedField> {};

TEST_P(EveryNumber, HasABound) { EXPECT_FALSE(values_out_of_range(GetParam()).empty()) << "give it a range in its describe"; }

TEST_P(EveryNumber, IsRefusedOutOfRangeWithTheRange) {
  const DescribedField& field = GetParam();
  for (const std::string& value : values_out_of_range(field)) {
    const Written written = write(field, field.name(), is_list(field) ? "[" + value + "]" : value);
    const std::string message = error_in(written);
    const int column = written.value_column + (is_list(field) ? 1 : 0);
    const std::string path = is_list(field) ? written.path + ".0" : written.path;
    EXPECT_THAT(message, StartsWith(fmt::format("bad.yaml:{}:{}: {}: expected a", written.line, column, path)));
    for (const double bound : {field.min, field.max}) EXPECT_THAT(message, HasSubstr(std::isfinite(bound) ? fmt::format("{}", bound) : ""));
    EXPECT_THAT(message, HasSubstr(field.unit));
    EXPECT_THAT(message, HasSubstr(", found '" + value + "'"));
  }
}

TEST_P(EveryNumber, IsReadAtTheEdgeOfItsRange) {
  const DescribedField& field = GetParam();
  for (const std::string& value : values_at_the_bounds(field)) {
    const Written written = write(field, field.name(), is_list(field) ? "[" + value + "]" : value);
    Configuration configuration;
    EXPECT_EQ(config_error_of([&] { read_options(OptionTree::from_text(written.text), configuration); }), "(no ConfigError)") << value;
  }
}

std::vector<DescribedField> fields_that(const std::function<bool(const DescribedField&)>& are_wanted) {
  std::vector<DescribedField> out;
  for (const DescribedField& field : list_fields_of<Configuration>())
    if (are_wanted(field)) out.push_back(field);
  return out;
}

bool holds_a_value(const DescribedField& field) { return !field.is_group() || field.is_subtree; }

std::string test_name(const testing::TestParamInfo<DescribedField>& info) {
  std::string name = info.param.dotted();
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Of, EveryOption, testing::ValuesIn(list_fields_of<Configuration>()), test_name);
INSTANTIATE_TEST_SUITE_P(Of, EveryNumber, testing::ValuesIn(fields_that(is_number)), test_name);
INSTANTIATE_TEST_SUITE_P(Of, EveryValue, testing::ValuesIn(fields_that(holds_a_value)), test_name);

TEST(EveryOptionOf, AConfigurationIsListed) {
  const std::vector<DescribedField> fields = list_fields_of<Configuration>();
  std::vector<std::string> names;
  for (const DescribedField& field : fields) names.push_back(field.dotted());
  EXPECT_THAT(names, testing::IsSupersetOf({"run.seed", "optimizers.NAME.lr", "checkpoints.N.limit", "task.options", "init_from"}));
  for (const DescribedField& field : fields) EXPECT_GT(field.doc.size(), 8u) << field.dotted() << " says nothing of itself";
}

}  // namespace
}  // namespace holdfast
