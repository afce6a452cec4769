#include "launch/hosts/host_pool.h"

#include <algorithm>

namespace holdfast {

HostPool::HostPool(const std::vector<Host>& hosts, const Wanted& wanted, double probation_seconds)
    : wanted_(wanted), probation_seconds_(probation_seconds) {
  for (const Host& host : hosts) hosts_.push_back({.host = host});
}

std::optional<Placement> HostPool::place_next(double now) {
  const std::optional<Placement> next = place(hosts_, placement_, wanted_, now);
  if (!next) return std::nullopt;
  placement_ = *next;
  joined_.clear();
  gone_.clear();
  ended_.clear();
  return next;
}

void HostPool::joined(int rank, const std::string& host_name) {
  // mpirun may hand out the hosts in another order than they were given.
  const auto known =
      std::find_if(placement_.begin(), placement_.end(), [&](const Host& host) { return is_same_host(host.name, host_name); });
  if (known != placement_.end())
    joined_[rank] = known->name;
  else if (rank >= 0 && rank < slots_of(placement_))
    joined_[rank] = host_of(placement_, rank);
}

const std::string& HostPool::home_of(int rank) const {
  const auto found = joined_.find(rank);
  return found != joined_.end() ? found->second : host_of(placement_, rank);
}

std::vector<int> HostPool::ranks_on(const std::string& host) const {
  std::vector<int> ranks;
  for (int rank = 0; rank < slots_of(placement_); ++rank)
    if (home_of(rank) == host) ranks.push_back(rank);
  return ranks;
}

std::optional<std::string> HostPool::gone(int rank) {
  if (rank < 0 || rank >= slots_of(placement_)) return std::nullopt;
  gone_.insert(rank);
  const std::string host = home_of(rank);
  for (const int other : ranks_on(host))
    if (ended_.contains(other) || (joined_.contains(other) && !gone_.contains(other))) return std::nullopt;
  return host;
}

std::vector<std::string> HostPool::never_called() const {
  std::vector<std::string> hosts;
  for (const Host& host : placement_) {
    const bool has_called = std::any_of(joined_.begin(), joined_.end(), [&](const auto& one) { return one.second == host.name; });
    if (!has_called) hosts.push_back(host.name);
  }
  return hosts;
}

void HostPool::lose(const std::string& host, double when) {
  for (KnownHost& known : hosts_)
    if (known.host.name == host) known.probation_until = std::max(known.probation_until, when + probation_seconds_);
}

void HostPool::pardon(const std::string& host) {
  for (KnownHost& known : hosts_)
    if (known.host.name == host) known.probation_until = 0;
}

}  // namespace holdfast
