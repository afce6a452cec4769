#include "options/reference.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "options/run_options.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

TEST(Reference, InDocsIsWhatTheDescriptionsSay) {
  const std::filesystem::path path = std::filesystem::path(HOLDFAST_SOURCE_DIR) / "docs" / "configuration.md";
  std::ifstream stream(path);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  EXPECT_TRUE(text == configuration_reference()) << path << " is out of date: run `" << kReferenceCommand << "`";
}

TEST(Reference, HasARowForEveryKey) {
  const std::string text = configuration_reference();
  for (const DescribedField& field : list_fields_of<Configuration>()) {
    const bool is_chapter = field.path.size() == 1 && field.is_group();
    EXPECT_THAT(text, HasSubstr(is_chapter ? fmt::format("## `{}`", field.name()) : fmt::format("| `{}` | ", field.name())));
    EXPECT_THAT(text, HasSubstr(field.doc));
  }
}

TEST(Reference, ShowsTypeDefaultUnitAndRange) {
  const std::string text = configuration_reference();
  EXPECT_THAT(text, HasSubstr("| `global_batch_size` | integer | `128` | samples | 1 or more | "));
  EXPECT_THAT(text, HasSubstr("| `max_epochs` | number or null | `null` | epochs | more than 0 | "));
  EXPECT_THAT(text, HasSubstr("| `type` | `constant`, `linear`, `cosine`, `plateau`, `sequence` | `constant` |  |  | "));
}

// The part of the schema that a field's value must satisfy.
nlohmann::ordered_json schema_at(const nlohmann::ordered_json& root, const DescribedField& field) {
  nlohmann::ordered_json schema = root;
  for (const std::string& part : field.path) {
    if (part == kAnyName) {
      schema = nlohmann::ordered_json(schema.at("additionalProperties"));
    } else if (part == kAnyIndex) {
      schema = nlohmann::ordered_json(schema.at("items"));
    } else {
      schema = nlohmann::ordered_json(schema.at("properties").at(part));
    }
  }
  return schema;
}

TEST(Schema, DescribesEveryKeyAndAllowsNoOther) {
  const std::vector<DescribedField> fields = list_fields_of<Configuration>();
  const nlohmann::ordered_json root = json_schema(fields, "x");
  EXPECT_EQ(root.at("additionalProperties"), false);
  for (const DescribedField& field : fields) {
    const nlohmann::ordered_json schema = schema_at(root, field);
    EXPECT_THAT(schema.at("description").get<std::string>(), HasSubstr(field.doc)) << field.dotted();
    if (field.type == FieldType::section && !field.is_subtree) {
      EXPECT_EQ(schema.at("additionalProperties"), false) << field.dotted();
    }
    if (!field.is_group()) {
      EXPECT_EQ(schema.at("default").dump(), field.default_json) << field.dotted();
    }
  }
}

TEST(Schema, HoldsTypesBoundsAndWords) {
  const nlohmann::ordered_json root = json_schema(list_fields_of<Configuration>(), "x");
  const auto at = [&](const std::string& pointer) { return root.at(nlohmann::ordered_json::json_pointer(pointer)); };
  EXPECT_EQ(at("/properties/trainer/properties/max_epochs/type"), nlohmann::ordered_json({"number", "null"}));
  EXPECT_EQ(at("/properties/trainer/properties/max_epochs/exclusiveMinimum"), 0);
  EXPECT_EQ(at("/properties/data/properties/prefetch_batches/maximum"), 1024);
  EXPECT_EQ(at("/properties/optimizers/additionalProperties/properties/type/enum"), nlohmann::ordered_json({"sgd", "adamw"}));
  EXPECT_EQ(at("/properties/optimizers/additionalProperties/properties/betas/items/exclusiveMaximum"), 1);
  EXPECT_EQ(at("/properties/checkpoints/items/properties/limit/minimum"), -1);
}

}  // namespace
}  // namespace holdfast
