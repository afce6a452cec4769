#include "apps/commands/run_target.h"

#include <fmt/format.h>

#include "options/refusal.h"

namespace holdfast {

std::filesystem::path run_directory(const std::string& given) {
  const std::filesystem::path directory = std::filesystem::absolute(given).lexically_normal();
  return directory.has_filename() ? directory : directory.parent_path();
}

void require_min_ranks(const Configuration& configuration, int ranks) {
  const std::int64_t least = configuration.restart.min_ranks.value_or(ranks);
  if (least > ranks)
    refuse_at(configuration.tree, "restart.min_ranks",
              {.expected = fmt::format("at most {}, the ranks of the run", ranks),
               .found = fmt::format("{}", least),
               .next = "give fewer, or more ranks"});
}

}  // namespace holdfast
