#include "options/tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/text_file.h"
#include "options/node.h"

namespace holdfast {
namespace {

using Node = OptionTree::Node;
using Locate = std::function<std::string(const YAML::Mark&)>;

// Builds nodes from the parser's events: YAML::Node would lose the place of keys and the second of two equal keys.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Locate locate) : locate_(std::move(locate)) {}
  std::shared_ptr<const Node> root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) fail(mark, "a key must be text, found nothing");
    Node node;
    // A value that is not written has the mark of whatever comes next.
    const bool is_in_mapping = !open_.empty() && open_.back().node->kind == NodeKind::mapping;
    node.where = is_in_mapping && mark.line != open_.back().key_line ? open_.back().key_where : locate_(mark);
    add(std::make_shared<Node>(std::move(node)), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) fail(mark, "a key must be text, found an alias");
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "an alias inside its own anchor");
    add(found->second, 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    if (expects_key()) return take_key(mark, value);
    Node node{.kind = NodeKind::scalar, .where = locate_(mark), .text = value, .is_quoted = !tag.empty() && tag != "?"};
    add(std::make_shared<Node>(std::move(node)), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(NodeKind::sequence, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(NodeKind::mapping, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    std::string key, key_where;
    int key_line = 0;
  };

  bool expects_key() const { return !open_.empty() && open_.back().node->kind == NodeKind::mapping && !open_.back().has_key; }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& text) const {
    throw ConfigError(fmt::format("{}: {}", locate_(mark), text));
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    Open& top = open_.back();
    if (const Node::Entry* first = top.node->find(key))
      fail(mark, fmt::format("duplicate key '{}' (the first one is at {})", key, first->where));
    top.has_key = true;
    top.key = key;
    top.key_where = locate_(mark);
    top.key_line = mark.line;
  }

  void open(NodeKind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (expects_key()) fail(mark, "a key must be text, found a list or a section");
    open_.push_back({.node = std::make_shared<Node>(Node{.kind = kind, .where = locate_(mark)}), .anchor = anchor});
  }

  void close() {
    const Open closed = std::move(open_.back());
    open_.pop_back();
    add(closed.node, closed.anchor);
  }

  void add(const std::shared_ptr<const Node>& node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = node;
      return;
    }
    Open& top = open_.back();
    if (top.node->kind == NodeKind::sequence) {
      top.node->items.push_back(node);
    } else {
      top.node->entries.push_back({.key = top.key, .where = top.key_where, .value = node});
      top.has_key = false;
    }
  }

  Locate locate_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::shared_ptr<const Node>> anchors_;
  std::shared_ptr<const Node> root_;
};

std::shared_ptr<const Node> parse(const std::string& text, const Locate& locate) {
  std::istringstream stream(text);
  TreeBuilder builder(locate);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return std::make_shared<Node>(Node{.where = locate(YAML::Mark())});
    TreeBuilder second(locate);
    if (parser.HandleNextDocument(second))
      throw ConfigError(fmt::format("{}: a second YAML document begins here, expected one", second.root()->where));
  } catch (const YAML::Exception& error) {
    throw ConfigError(fmt::format("{}: not valid YAML: {}", locate(error.mark), error.msg));
  }
  return builder.root();
}

std::string read_file(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  const std::string attempted = fmt::format("{}: cannot read the configuration", path);
  if (status.type() == std::filesystem::file_type::not_found)
    throw ConfigError({.attempted = attempted, .expected = "a YAML file", .found = "no such file"});
  if (error) throw ConfigError({.attempted = attempted, .cause = error.message()});
  if (std::filesystem::is_directory(status)) throw ConfigError({.attempted = attempted, .expected = "a YAML file", .found = "a directory"});
  std::ifstream stream(path, std::ios::binary);
  std::string text = rest_of(stream);
  if (!stream.is_open() || stream.bad())
    throw ConfigError({.attempted = attempted,
                       .expected = "a YAML file that this user may read",
                       .found = stream.is_open() ? "an error of reading" : "that it cannot be opened"});
  return text;
}

}  // namespace

const OptionTree::Node::Entry* OptionTree::Node::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

std::string join_path(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string describe_found(const OptionTree::Node& node) {
  constexpr std::size_t kLongest = 60;
  const std::string text = node.text.size() > kLongest ? node.text.substr(0, kLongest) + "..." : node.text;
  switch (node.kind) {
    case NodeKind::null: return "nothing";
    case NodeKind::sequence: return "a list";
    case NodeKind::mapping: return "a section";
    case NodeKind::scalar: break;
  }
  return node.is_quoted ? fmt::format("the text \"{}\"", text) : fmt::format("'{}'", text);
}

std::shared_ptr<const OptionTree::Node> parse_yaml(const std::string& text, const std::string& file_name) {
  return parse(text, [&](const YAML::Mark& mark) { return fmt::format("{}:{}:{}", file_name, mark.line + 1, mark.column + 1); });
}

std::shared_ptr<const OptionTree::Node> parse_yaml_at(const std::string& text, const std::string& origin) {
  return parse(text, [&](const YAML::Mark&) { return origin; });
}

OptionTree::OptionTree() : node_(std::make_shared<Node>(Node{.kind = NodeKind::mapping})) {}

OptionTree OptionTree::from_text(const std::string& text, const std::string& file_name, const std::vector<std::string>& overrides) {
  std::shared_ptr<const Node> root = parse_yaml(text, file_name);
  if (root->kind == NodeKind::null) root = std::make_shared<Node>(Node{.kind = NodeKind::mapping, .where = root->where});
  if (root->kind != NodeKind::mapping)
    throw ConfigError({.attempted = root->where, .expected = "a configuration (keys and values)", .found = describe_found(*root)});
  for (const std::string& text_of_override : overrides) root = with_override(root, text_of_override);
  return OptionTree(std::move(root));
}

OptionTree OptionTree::from_file(const std::string& path, const std::vector<std::string>& overrides) {
  return from_text(read_file(path), path, overrides);
}

}  // namespace holdfast
