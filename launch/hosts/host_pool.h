// The hosts of a run over its attempts: where the ranks are, which host has gone silent, who is on probation. Knows no socket and no
// process. One thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "launch/hosts/placement.h"

namespace holdfast {

class HostPool {
 public:
  /// `hosts` empty: all ranks run on this host, and there is nothing to know.
  HostPool(const std::vector<Host>& hosts, const Wanted& wanted, double probation_seconds);

  bool is_empty() const { return hosts_.empty(); }
  /// For the next attempt. nullopt: too few hosts.
  std::optional<Placement> place_next(double now);
  const Placement& placement() const { return placement_; }

  /// A rank's shim has called, from the host that calls itself so.
  void joined(int rank, const std::string& host_name);
  /// A rank's shim is gone without a word. Returns the rank's host when none of its ranks is left and none has said how it ended: it may be
  /// the host that is gone.
  std::optional<std::string> gone(int rank);
  /// Where a rank of this attempt is: the host that it has called from, else the one where it was put.
  const std::string& home_of(int rank) const;
  /// A rank has said how it ended.
  void ended(int rank) { ended_.insert(rank); }
  /// Hosts of whose ranks none has called in this attempt.
  std::vector<std::string> never_called() const;
  /// The ranks of a host in this attempt.
  std::vector<int> ranks_on(const std::string& host) const;

  void lose(const std::string& host, double when);
  /// On probation, the one that was lost first in front.
  std::vector<std::string> lost(double now) const { return on_probation(hosts_, now); }
  /// It is wanted before its probation is over.
  void pardon(const std::string& host);

 private:
  std::vector<KnownHost> hosts_;
  Wanted wanted_;
  double probation_seconds_;
  Placement placement_;
  std::map<int, std::string> joined_;  // rank to host
  std::set<int> gone_, ended_;
};

}  // namespace holdfast
