#include "options/dump.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "options/node.h"
#include "options/read.h"

namespace holdfast {
namespace {

using Node = OptionTree::Node;
using Json = nlohmann::ordered_json;

template <class Number>
bool parses_as(std::string_view text, Number& number) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Json scalar_to_json(const std::string& text, bool is_quoted) {
  if (is_quoted) return text;
  if (text == "true" || text == "false") return text == "true";
  std::int64_t integer = 0;
  if (parses_as(text, integer)) return integer;
  double number = 0;
  if (parses_as(text, number) && std::isfinite(number)) return number;
  return text;
}

Json node_to_json(const Node& node) {
  Json out;
  if (node.kind == NodeKind::scalar) return scalar_to_json(node.text, node.is_quoted);
  if (node.kind == NodeKind::sequence) {
    out = Json::array();
    for (const auto& item : node.items) out.push_back(node_to_json(*item));
  } else if (node.kind == NodeKind::mapping) {
    out = Json::object();
    for (const Node::Entry& entry : node.entries) out[entry.key] = node_to_json(*entry.value);
  }
  return out;
}

class Dump : public FieldVisitor {
 public:
  Dump() { open_.push_back({"", Json::object()}); }
  Json take() { return std::move(open_.back().value); }

  void field(const Field& info, bool& value) override { put(info.name, value); }
  void field(const Field& info, std::int64_t& value) override { put(info.name, value); }
  void field(const Field& info, double& value) override { put(info.name, value); }
  void field(const Field& info, std::string& value) override { put(info.name, value); }
  void field(const Field& info, std::optional<std::int64_t>& value) override { put_optional(info.name, value); }
  void field(const Field& info, std::optional<double>& value) override { put_optional(info.name, value); }
  void field(const Field& info, std::optional<std::string>& value) override { put_optional(info.name, value); }
  void field(const Field& info, std::vector<std::int64_t>& value) override { put(info.name, value); }
  void field(const Field& info, std::vector<double>& value) override { put(info.name, value); }
  void field(const Field& info, std::vector<std::string>& value) override { put(info.name, value); }
  void subtree(const Field& info, OptionTree& value) override { put(info.name, node_to_json(*value.node())); }

 protected:
  void begin_section(const Field& info) override { open_.push_back({std::string(info.name), Json::object()}); }
  void end_section() override { close(); }
  std::size_t begin_list(const Field& info, std::size_t) override {
    open_.push_back({std::string(info.name), Json::array()});
    return kKeep;
  }
  void begin_item(std::size_t) override { open_.push_back({"", Json::object()}); }
  void end_item() override { close(); }
  void end_list() override { close(); }
  std::optional<std::vector<std::string>> begin_map(const Field& info, const std::vector<std::string>&) override {
    begin_section(info);
    return std::nullopt;
  }
  void begin_entry(const std::string& name) override { open_.push_back({name, Json::object()}); }
  void end_entry() override { close(); }
  void end_map() override { close(); }

 private:
  struct Open {
    std::string name;
    Json value;
  };

  void put(std::string_view name, Json value) {
    Json& into = open_.back().value;
    if (into.is_array()) {
      into.push_back(std::move(value));
    } else {
      into[std::string(name)] = std::move(value);
    }
  }
  template <class T>
  void put_optional(std::string_view name, const std::optional<T>& value) {
    put(name, value ? Json(*value) : Json());
  }
  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    put(closed.name, std::move(closed.value));
  }

  std::vector<Open> open_;
};

bool is_plain_word(const std::string& text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr std::string_view kOthers = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./";
  if (text.empty() || text.find_first_not_of(kOthers) != std::string::npos) return false;
  if (kLetters.find(text[0]) == std::string_view::npos) return false;
  for (const std::string_view taken : {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan", "infinity"})
    if (text.size() == taken.size() && std::equal(text.begin(), text.end(), taken.begin(),
                                                  [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; }))
      return false;
  return true;
}

std::string yaml_scalar(const Json& value) {
  if (value.is_string() && is_plain_word(value.get<std::string>())) return value.get<std::string>();
  return value.dump();  // a JSON text is a YAML text
}

bool is_block(const Json& value) {
  if (value.is_object()) return !value.empty();
  return value.is_array() && !value.empty() && value.front().is_structured();
}

void write_yaml(const Json& value, const std::string& indent, std::string& out) {
  bool is_first = true;
  const auto put = [&](const std::string& head, const Json& item, bool is_item) {
    out += is_first ? "" : indent;
    is_first = false;
    out += head;
    if (is_item && is_block(item)) {
      out += " ";
      write_yaml(item, indent + "  ", out);
    } else if (is_block(item)) {
      out += fmt::format("\n{}  ", indent);
      write_yaml(item, indent + "  ", out);
    } else if (item.is_array() && !item.empty()) {
      std::string line;
      for (const Json& element : item) line += (line.empty() ? "" : ", ") + yaml_scalar(element);
      out += fmt::format(" [{}]\n", line);
    } else {
      out += fmt::format(" {}\n", yaml_scalar(item));
    }
  };
  if (value.is_array()) {
    for (const Json& item : value) put("-", item, true);
  } else {
    for (const auto& [key, item] : value.items()) put(yaml_scalar(Json(key)) + ":", item, false);
  }
}

}  // namespace

nlohmann::ordered_json describe_to_ordered_json(const std::function<void(FieldVisitor&)>& describe) {
  Dump dump;
  describe(dump);
  return dump.take();
}

nlohmann::json describe_to_json(const std::function<void(FieldVisitor&)>& describe) { return describe_to_ordered_json(describe); }

nlohmann::json OptionTree::to_json() const { return node_to_json(*node_); }

std::string to_yaml(const nlohmann::ordered_json& value) {
  std::string out;
  if (value.empty()) return "{}\n";
  write_yaml(value, "", out);
  return out;
}

}  // namespace holdfast
