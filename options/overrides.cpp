// `--set a.b.0.c=value`: lays one value over a tree, and finds what stands at such a path.
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <span>

#include "base/error.h"
#include "options/node.h"

namespace holdfast {
namespace {

using Node = OptionTree::Node;
using NodePointer = std::shared_ptr<const Node>;

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> keys;
  if (path.empty()) return keys;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    keys.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return keys;
}

std::optional<std::size_t> parse_index(std::string_view text) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return index;
}

struct Override {
  std::vector<std::string> keys;
  NodePointer value;
  std::string origin;

  std::string path(std::size_t depth) const {
    std::string out;
    for (std::size_t i = 0; i < depth; ++i) out = join_path(out, keys[i]);
    return out;
  }
};

NodePointer lay_over(const NodePointer& node, const Override& change, std::size_t depth);

NodePointer lay_over_list(const Node& list, const Override& change, std::size_t depth) {
  const std::optional<std::size_t> index = parse_index(change.keys[depth]);
  if (!index || *index > list.items.size())
    throw ConfigError({.attempted = fmt::format("{}: {} is a list", change.origin, change.path(depth)),
                       .expected = fmt::format("an index from 0 to {} (the last of these appends)", list.items.size()),
                       .found = fmt::format("'{}'", change.keys[depth])});
  Node changed = list;
  if (*index == list.items.size()) changed.items.push_back(nullptr);
  changed.items[*index] = lay_over(changed.items[*index], change, depth + 1);
  return std::make_shared<Node>(std::move(changed));
}

NodePointer lay_over_section(Node section, const Override& change, std::size_t depth) {
  const std::string& key = change.keys[depth];
  const bool is_value = depth + 1 == change.keys.size();
  for (Node::Entry& entry : section.entries) {
    if (entry.key != key) continue;
    if (is_value) entry.where = change.origin;
    entry.value = lay_over(entry.value, change, depth + 1);
    return std::make_shared<Node>(std::move(section));
  }
  section.entries.push_back({.key = key, .where = change.origin, .value = lay_over(nullptr, change, depth + 1)});
  return std::make_shared<Node>(std::move(section));
}

NodePointer lay_over(const NodePointer& node, const Override& change, std::size_t depth) {
  if (depth == change.keys.size()) return change.value;
  const bool is_nothing = !node || node->kind == NodeKind::null;
  if (is_nothing && change.keys[depth] == "0")
    return lay_over_list(Node{.kind = NodeKind::sequence, .where = change.origin}, change, depth);
  if (is_nothing) return lay_over_section(Node{.kind = NodeKind::mapping, .where = change.origin}, change, depth);
  if (node->kind == NodeKind::mapping) return lay_over_section(*node, change, depth);
  if (node->kind == NodeKind::sequence) return lay_over_list(*node, change, depth);
  throw ConfigError({.attempted = fmt::format("{}: {}", change.origin, change.path(depth)),
                     .expected = "a section or a list to set something in",
                     .found = fmt::format("{} at {}", describe_found(*node), node->where)});
}

struct Found {
  const Node* node;   // null: not there
  std::string where;  // of the nearest part that is there
};

// A section or list is said to be where its key is, not where its first part is.
Found find_path(const Node& root, std::string_view path) {
  const Node* node = &root;
  std::string where = root.where;
  for (const std::string& key : split_path(path)) {
    const Node* next = nullptr;
    std::string next_where;
    if (const Node::Entry* entry = node->find(key)) {
      next = entry->value.get();
      next_where = next->kind == NodeKind::scalar ? next->where : entry->where;
    }
    if (node->kind == NodeKind::sequence) {
      const std::optional<std::size_t> index = parse_index(key);
      if (index && *index < node->items.size()) next = node->items[*index].get();
      if (next != nullptr) next_where = next->where;
    }
    if (next == nullptr) return {nullptr, where};
    node = next;
    where = next_where;
  }
  return {node, where};
}

}  // namespace

NodePointer with_override(const NodePointer& root, const std::string& override_text) {
  Override change;
  change.origin = "--set " + override_text;
  const std::size_t equals = override_text.find('=');
  const std::string path = override_text.substr(0, equals);
  change.keys = split_path(path);
  bool is_path = equals != std::string::npos && !change.keys.empty();
  for (const std::string& key : change.keys) is_path = is_path && !key.empty() && key.find_first_of(" \t\n") == std::string::npos;
  if (!is_path)
    throw ConfigError({.attempted = change.origin,
                       .expected = "KEY=VALUE, for example trainer.max_steps=100",
                       .found = fmt::format("'{}'", override_text)});
  change.value = parse_yaml_at(override_text.substr(equals + 1), change.origin);
  return lay_over(root, change, 0);
}

std::string OptionTree::where(std::string_view path) const { return find_path(*node_, path).where; }

std::string OptionTree::locate(std::string_view path, const std::string& key) const {
  const std::string place = where(path);
  return place.empty() ? key : place + ": " + key;
}

bool OptionTree::has(std::string_view path) const {
  const Node* node = find_path(*node_, path).node;
  return node != nullptr && node->kind != NodeKind::null;
}

}  // namespace holdfast
