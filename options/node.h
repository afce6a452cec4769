// What an OptionTree is made of: a scalar, list or mapping that knows where it was written. For the files of options/
// that read trees; everybody else uses tree.h and read.h. Immutable once built, so any thread may read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "options/tree.h"

namespace holdfast {

enum class NodeKind { null, scalar, sequence, mapping };

struct OptionTree::Node {
  struct Entry {
    std::string key;
    std::string where;  // of the key
    std::shared_ptr<const Node> value;
  };

  NodeKind kind = NodeKind::null;
  std::string where;       // "file:line:column", "--set a.b=c", or empty: from no source
  std::string text;        // of a scalar
  bool is_quoted = false;  // a scalar that is text, whatever it looks like
  std::vector<Entry> entries;
  std::vector<std::shared_ptr<const Node>> items;

  /// Null when a mapping has no such key, or this is no mapping.
  const Entry* find(std::string_view key) const;
};

/// "a.b" under "x" is "x.a.b": the form that --set takes.
std::string join_path(std::string_view path, std::string_view key);

/// For messages: 'abc', the text "12", a list, a section, nothing.
std::string describe_found(const OptionTree::Node& node);

/// Parses one YAML document. `place_of_mark(line, column)`, both from 1, becomes each node's `where`. Throws ConfigError.
std::shared_ptr<const OptionTree::Node> parse_yaml(const std::string& text, const std::string& file_name);
/// The same for the value of `--set`: every node stands at `origin`.
std::shared_ptr<const OptionTree::Node> parse_yaml_at(const std::string& text, const std::string& origin);

/// `root` with one override laid over it. Throws ConfigError.
std::shared_ptr<const OptionTree::Node> with_override(const std::shared_ptr<const OptionTree::Node>& root,
                                                      const std::string& override_text);

}  // namespace holdfast
