// Hosts in the words of findings. Pure.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "launch/doctor/facts.h"

namespace holdfast {

/// "a", "a, b and c", "a, b, c and 5 more", "all 3 hosts", "this host" where there is but one.
inline std::string host_list(const std::vector<std::string>& names, std::size_t of_all) {
  constexpr std::size_t kShown = 4;
  if (of_all == 1) return "this host";
  if (names.size() == of_all) return fmt::format("all {} hosts", of_all);
  std::string out;
  const std::size_t shown = std::min(names.size(), kShown);
  for (std::size_t i = 0; i < shown; ++i) out += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  return names.size() > shown ? out + fmt::format(" and {} more", names.size() - shown) : out;
}

/// The hosts by what is said of them; those of whom it is nothing are left out.
inline std::map<std::string, std::vector<std::string>> by_text(const std::vector<HostFacts>& hosts,
                                                               const std::function<std::string(const HostFacts&)>& say) {
  std::map<std::string, std::vector<std::string>> names;
  for (const HostFacts& host : hosts)
    if (const std::string text = say(host); !text.empty()) names[text].push_back(host.name);
  return names;
}

}  // namespace holdfast
