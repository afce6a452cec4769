#include "options/read.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/name.h"
#include "options/expectation.h"
#include "options/nearest.h"
#include "options/node.h"

namespace holdfast {
namespace {

using Node = OptionTree::Node;

// Where a value stands, what it is called in messages and what it should be.
struct Target {
  const Node& node;
  std::string path;
  const Field& field;
  std::string expected;
};

[[noreturn]] void refuse(const Target& target, const std::string& cause = "") {
  const std::string place = target.node.where.empty() ? "" : target.node.where + ": ";
  throw ConfigError({.attempted = place + target.path, .expected = target.expected, .found = describe_found(target.node), .cause = cause});
}

/// Of a list of words with a space between two.
std::vector<std::string_view> split_words(std::string_view list) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(' ', begin), list.size());
    words.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string_view plain_number(const Node& node) {
  if (node.kind != NodeKind::scalar || node.is_quoted) return {};
  std::string_view text = node.text;
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  return text;
}

void convert(const Target& target, bool& value) {
  const Node& node = target.node;
  const bool is_plain = node.kind == NodeKind::scalar && !node.is_quoted;
  if (!is_plain || (node.text != "true" && node.text != "false")) refuse(target);
  value = node.text == "true";
}

void convert(const Target& target, std::int64_t& value) {
  const std::string_view text = plain_number(target.node);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error == std::errc::invalid_argument || end != text.data() + text.size()) refuse(target);
  if (error == std::errc::result_out_of_range) refuse(target, "it does not fit into 64 bits");
  if (!is_in_range(target.field, static_cast<double>(number))) refuse(target);
  value = number;
}

void convert(const Target& target, double& value) {
  const std::string_view text = plain_number(target.node);
  if (text == ".inf" || text == "-.inf" || text == ".nan") refuse(target, "it must be finite");
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error == std::errc::invalid_argument || end != text.data() + text.size()) refuse(target);
  if (error == std::errc::result_out_of_range) refuse(target, "it does not fit into a double");
  if (!std::isfinite(number)) refuse(target, "it must be finite");
  if (!is_in_range(target.field, number)) refuse(target);
  value = number;
}

/// "THEIRS", and what it is called here.
using Synonym = std::pair<std::string, std::string>;

/// Which of `names` a word means that is misspelt or another program's. Empty: none.
std::string meant_name(const std::string& word, const std::vector<std::string>& names, const std::vector<Synonym>& synonyms) {
  std::vector<std::string> words = names;
  for (const auto& [theirs, ours] : synonyms) words.push_back(theirs);
  const std::optional<std::size_t> near = nearest(word, words);
  if (!near) return "";
  return *near < names.size() ? names[*near] : synonyms[*near - names.size()].second;
}

std::string did_you_mean(const std::string& name) { return name.empty() ? "" : fmt::format("did you mean '{}'?", name); }

/// Of the field's choices.
std::vector<Synonym> choice_synonyms(const Field& field) {
  std::vector<Synonym> synonyms;
  for (const std::string_view pair : split_words(field.choice_synonyms)) {
    const std::string_view choice = pair.substr(pair.find('=') + 1);
    const bool is_one = std::find(field.choices.begin(), field.choices.end(), choice) != field.choices.end();
    if (is_one) synonyms.emplace_back(pair.substr(0, pair.find('=')), choice);
  }
  return synonyms;
}

void convert(const Target& target, std::string& value) {
  if (target.node.kind != NodeKind::scalar) refuse(target);
  const std::vector<std::string> choices(target.field.choices.begin(), target.field.choices.end());
  if (!choices.empty() && std::find(choices.begin(), choices.end(), target.node.text) == choices.end())
    refuse(target, did_you_mean(meant_name(target.node.text, choices, choice_synonyms(target.field))));
  value = target.node.text;
}

class Reader : public FieldVisitor {
 public:
  explicit Reader(const OptionTree& tree) { frames_.push_back({tree.node().get(), tree.path(), {}, {}}); }

  void field(const Field& info, bool& value) override { read(info, value, FieldType::boolean); }
  void field(const Field& info, std::int64_t& value) override { read(info, value, FieldType::integer); }
  void field(const Field& info, double& value) override { read(info, value, FieldType::number); }
  void field(const Field& info, std::string& value) override { read(info, value, FieldType::text); }
  void field(const Field& info, std::optional<std::int64_t>& value) override { read_optional(info, value, FieldType::integer); }
  void field(const Field& info, std::optional<double>& value) override { read_optional(info, value, FieldType::number); }
  void field(const Field& info, std::optional<std::string>& value) override { read_optional(info, value, FieldType::text); }
  void field(const Field& info, std::vector<std::int64_t>& value) override { read_list(info, value, FieldType::integers); }
  void field(const Field& info, std::vector<double>& value) override { read_list(info, value, FieldType::numbers); }
  void field(const Field& info, std::vector<std::string>& value) override { read_list(info, value, FieldType::texts); }

  void subtree(const Field& info, OptionTree& value) override {
    const Node* node = of_kind(info, find(info), NodeKind::mapping, FieldType::section);
    const std::string path = path_of(info);
    if (node != nullptr) {
      value = OptionTree(frames_.back().node->find(info.name)->value, path);
    } else if (value.node()->entries.empty()) {
      const std::string where = frames_.back().node != nullptr ? frames_.back().node->where : "";
      value = OptionTree(std::make_shared<Node>(Node{.kind = NodeKind::mapping, .where = where}), path);
    }
  }

  /// For the outermost struct; sections inside are checked when they end.
  void refuse_unknown() const {
    const Frame& frame = frames_.back();
    if (frame.node == nullptr) return;
    for (const Node::Entry& entry : frame.node->entries) {
      if (std::find(frame.names.begin(), frame.names.end(), entry.key) != frame.names.end()) continue;
      const std::string place = frame.path.empty() ? "at the top level" : "in " + frame.path;
      const std::string what = fmt::format("{}: unknown key '{}' {}", entry.where, entry.key, place);
      throw ConfigError(what + ": " + advice(frame, entry.key));
    }
  }

 protected:
  void begin_section(const Field& info) override {
    const Node* node = of_kind(info, find(info), NodeKind::mapping, FieldType::section);
    frames_.push_back({node, path_of(info), {}, {}});
  }
  void end_section() override { close(); }

  std::size_t begin_list(const Field& info, std::size_t) override {
    const Node* node = of_kind(info, find(info), NodeKind::sequence, FieldType::list);
    frames_.push_back({node, path_of(info), {}, {}});
    return node == nullptr ? kKeep : node->items.size();
  }
  void begin_item(std::size_t index) override {
    const Frame& list = frames_.back();
    const Field info{.name = "item"};
    const std::string path = join_path(list.path, std::to_string(index));
    const Node* node = list.node == nullptr ? nullptr : list.node->items[index].get();
    if (node != nullptr && node->kind == NodeKind::null) node = nullptr;
    if (node != nullptr && node->kind != NodeKind::mapping) refuse({*node, path, info, type_text(FieldType::section, info)});
    frames_.push_back({node, path, {}, {}});
  }
  void end_item() override { close(); }
  void end_list() override { frames_.pop_back(); }

  std::optional<std::vector<std::string>> begin_map(const Field& info, const std::vector<std::string>&) override {
    const Node* node = of_kind(info, find(info), NodeKind::mapping, FieldType::map);
    frames_.push_back({node, path_of(info), {}, {}});
    if (node == nullptr) return std::nullopt;
    std::vector<std::string> names;
    for (const Node::Entry& entry : node->entries) {
      if (!is_name(entry.key))
        throw ConfigError({.attempted = fmt::format("{}: {}", entry.where, frames_.back().path),
                           .expected = "a name of letters, digits, _ and -",
                           .found = fmt::format("'{}'", entry.key)});
      names.push_back(entry.key);
    }
    return names;
  }
  void begin_entry(const std::string& name) override {
    const Field info{.name = name};
    const Node* node = of_kind(info, find(info), NodeKind::mapping, FieldType::section);
    frames_.push_back({node, path_of(info), {}, {}});
  }
  void end_entry() override { close(); }
  void end_map() override { frames_.pop_back(); }

 private:
  struct Frame {
    const Node* node;  // null: the source does not have it
    std::string path;
    std::vector<std::string> names;  // that fields have asked for
    std::vector<Synonym> synonyms;
  };

  std::string path_of(const Field& info) const { return join_path(frames_.back().path, info.name); }

  const Node* find(const Field& info) {
    Frame& frame = frames_.back();
    frame.names.emplace_back(info.name);
    for (const std::string_view word : split_words(info.synonyms)) frame.synonyms.emplace_back(word, info.name);
    if (frame.node == nullptr) return nullptr;
    const Node::Entry* entry = frame.node->find(info.name);
    return entry == nullptr ? nullptr : entry->value.get();
  }

  // Null for what is not there or empty; anything but `kind` is refused. `info` was the argument of the last find().
  const Node* of_kind(const Field& info, const Node* node, NodeKind kind, FieldType type) const {
    if (node == nullptr || node->kind == NodeKind::null) return nullptr;
    if (node->kind != kind) refuse({*node, path_of(info), info, expectation(type, info)});
    return node;
  }

  template <class T>
  void read(const Field& info, T& value, FieldType type) {
    if (const Node* node = find(info)) convert({*node, path_of(info), info, expectation(type, info)}, value);
  }

  template <class T>
  void read_optional(const Field& info, std::optional<T>& value, FieldType type) {
    const Node* node = find(info);
    if (node == nullptr) return;
    if (node->kind == NodeKind::null) {
      value.reset();
      return;
    }
    T found{};
    convert({*node, path_of(info), info, expectation(type, info)}, found);
    value = found;
  }

  template <class T>
  void read_list(const Field& info, std::vector<T>& value, FieldType type) {
    const Node* found = find(info);
    if constexpr (std::is_same_v<T, std::string>)
      if (info.takes_one_text && found != nullptr && found->kind == NodeKind::scalar) {
        value = {found->text};
        return;
      }
    const Node* node = of_kind(info, found, NodeKind::sequence, type);
    if (node == nullptr) return;
    const FieldType of_item = type == FieldType::integers  ? FieldType::integer
                              : type == FieldType::numbers ? FieldType::number
                                                           : FieldType::text;
    std::vector<T> items(node->items.size());
    for (std::size_t i = 0; i < items.size(); ++i)
      convert({*node->items[i], join_path(path_of(info), std::to_string(i)), info, expectation(of_item, info)}, items[i]);
    value = std::move(items);
  }

  static std::string advice(const Frame& frame, const std::string& key) {
    const std::string name = meant_name(key, frame.names, frame.synonyms);
    if (!name.empty()) return did_you_mean(name);
    if (frame.names.empty()) return "no keys are allowed here";
    return fmt::format("allowed: {}", fmt::join(frame.names, ", "));
  }

  void close() {
    refuse_unknown();
    frames_.pop_back();
  }

  std::vector<Frame> frames_;
};

}  // namespace

std::unique_ptr<FieldVisitor> make_reader(const OptionTree& tree) { return std::make_unique<Reader>(tree); }

void refuse_unknown_keys(FieldVisitor& reader) { dynamic_cast<Reader&>(reader).refuse_unknown(); }

}  // namespace holdfast
