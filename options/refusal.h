// What several keys say together, refused at its place in the configuration.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/error.h"
#include "options/tree.h"

namespace holdfast {

/// Throws ConfigError: `text`, attempted at `path` of `tree`, with its file, line and column.
[[noreturn]] void refuse_at(const OptionTree& tree, const std::string& path, ErrorText text);

/// The keys of a thing that is of one of several types, some of which are keys of one type alone.
class KeysOfTypes {
 public:
  KeysOfTypes(const OptionTree& tree, std::string path, std::string_view type) : tree_(tree), path_(std::move(path)), type_(type) {}
  /// Refuses `key` if it is not as by default, and the thing is of none of the types `owners`: it would have no effect.
  void require_owner(std::string_view key, bool is_changed, std::initializer_list<std::string_view> owners) const;

 private:
  const OptionTree& tree_;
  std::string path_;
  std::string_view type_;
};

}  // namespace holdfast
