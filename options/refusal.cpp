#include "options/refusal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace holdfast {

void refuse_at(const OptionTree& tree, const std::string& path, ErrorText text) {
  text.attempted = fmt::format("{}: {}", tree.where(path), path);
  throw ConfigError(text);
}

void KeysOfTypes::require_owner(std::string_view key, bool is_changed, std::initializer_list<std::string_view> owners) const {
  if (!is_changed || std::find(owners.begin(), owners.end(), type_) != owners.end()) return;
  refuse_at(tree_, fmt::format("{}.{}", path_, key),
            {.expected = fmt::format("a key of {}", type_),
             .found = fmt::format("one of {}", fmt::join(owners, ", ")),
             .cause = "it would have no effect",
             .next = "remove the key"});
}

}  // namespace holdfast
