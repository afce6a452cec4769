#include "launch/hosts/placement.h"

#include <algorithm>
#include <stdexcept>

namespace holdfast {
namespace {

/// In the order in which they are to be filled: those of the last attempt at their places, a spare in the place of each that is gone, and
/// behind them the others, longest free of failures first.
std::vector<Host> order_of(const std::vector<KnownHost>& hosts, const Placement& previous, double now) {
  std::vector<KnownHost> others = hosts;
  std::stable_sort(others.begin(), others.end(), [](const auto& a, const auto& b) { return a.probation_until < b.probation_until; });
  std::erase_if(others, [now](const KnownHost& known) { return known.probation_until > now; });
  const auto take = [&others](const auto& is_wanted) -> std::optional<Host> {
    const auto found = std::find_if(others.begin(), others.end(), is_wanted);
    if (found == others.end()) return std::nullopt;
    const Host host = found->host;
    others.erase(found);
    return host;
  };
  std::vector<std::optional<Host>> places;
  for (const Host& before : previous) places.push_back(take([&](const KnownHost& known) { return known.host.name == before.name; }));
  for (std::size_t i = 0; i < places.size(); ++i)
    if (!places[i]) places[i] = take([&](const KnownHost& known) { return known.host.slots >= previous[i].slots; });
  std::vector<Host> order;
  for (const std::optional<Host>& host : places)
    if (host) order.push_back(*host);
  for (const KnownHost& known : others) order.push_back(known.host);
  return order;
}

}  // namespace

std::optional<Placement> place(const std::vector<KnownHost>& hosts, const Placement& previous, const Wanted& wanted, double now) {
  Placement placement;
  int left = wanted.ranks;
  for (const Host& host : order_of(hosts, previous, now)) {
    if (left == 0) break;
    placement.push_back({host.name, std::min(host.slots, left)});
    left -= placement.back().slots;
  }
  return wanted.ranks - left >= std::max(1, wanted.min_ranks) ? std::optional(placement) : std::nullopt;
}

std::vector<std::string> on_probation(const std::vector<KnownHost>& hosts, double now) {
  std::vector<KnownHost> waiting = hosts;
  std::erase_if(waiting, [now](const KnownHost& known) { return known.probation_until <= now; });
  std::stable_sort(waiting.begin(), waiting.end(), [](const auto& a, const auto& b) { return a.probation_until < b.probation_until; });
  std::vector<std::string> names;
  for (const KnownHost& known : waiting) names.push_back(known.host.name);
  return names;
}

const std::string& host_of(const Placement& placement, int rank) {
  for (const Host& host : placement) {
    if (rank < host.slots) return host.name;
    rank -= host.slots;
  }
  throw std::logic_error("a rank beyond the placement");
}

}  // namespace holdfast
