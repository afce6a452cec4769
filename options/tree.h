// A configuration as read, before it has a meaning: a YAML tree in which every node knows where it stands in the file,
// with the `--set` overrides laid over it. Cheap to copy (shared, read-only).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace holdfast {

class OptionTree {
 public:
  /// An empty mapping.
  OptionTree();
  /// Reads `path` (YAML) and lays `overrides` ("a.b.0.c=value", the value in YAML; the index after the last one appends)
  /// over it. Missing file, bad YAML, a key twice in one mapping, a bad override: ConfigError with file:line:column.
  static OptionTree from_file(const std::string& path, const std::vector<std::string>& overrides = {});
  static OptionTree from_text(const std::string& text, const std::string& file_name = "<text>",
                              const std::vector<std::string>& overrides = {});
  /// As plain JSON, positions dropped (for the manifest).
  nlohmann::json to_json() const;

  /// "file:line:column" (or "--set a.b=c") of what stands at `path` ("a.b.0.c"), or of the nearest part of it that is
  /// there. For messages about values whose meaning only the caller knows.
  std::string where(std::string_view path = "") const;
  /// `key` of the whole configuration ("task.options.width") with the place of its value, which stands at `path` of this tree:
  /// "file:line:column: key", or "key" if nothing of the tree is in the file.
  std::string locate(std::string_view path, const std::string& key) const;
  /// Whether something other than null stands at `path`.
  bool has(std::string_view path) const;

  /// Where this tree stands in the whole configuration ("task.options"); empty: it is the whole.
  const std::string& path() const { return path_; }

  struct Node;
  const std::shared_ptr<const Node>& node() const { return node_; }
  explicit OptionTree(std::shared_ptr<const Node> node, std::string path = "") : node_(std::move(node)), path_(std::move(path)) {}

 private:
  std::shared_ptr<const Node> node_;
  std::string path_;
};

}  // namespace holdfast
