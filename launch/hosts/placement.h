// Who runs where: a pure function of the hosts, of who has failed lately, of where the last attempt ran, and of the time. Hosts are filled
// in order; those beyond what is needed are spares. A spare takes the place of a host that was lost, so that the ranks of the others stay
// where they are; without one the run goes on with fewer ranks. A host that was lost is on probation, and a spare after that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launch/hosts/host_list.h"

namespace holdfast {

struct KnownHost {
  Host host;
  double probation_until = 0;  // by the clock that `now` comes from; 0: it was never lost
};

struct Wanted {
  int ranks = 1;
  int min_ranks = 1;
};

/// What each host takes, in the order of the ranks; hosts without a rank are left out.
using Placement = std::vector<Host>;

/// nullopt: hosts that are not on probation do not give `min_ranks`. `previous`: the last attempt's, or empty.
std::optional<Placement> place(const std::vector<KnownHost>& hosts, const Placement& previous, const Wanted& wanted, double now);

/// Those on probation, the one that was lost first in front: who might be asked earlier when place() finds too few.
std::vector<std::string> on_probation(const std::vector<KnownHost>& hosts, double now);

/// The host of a rank.
const std::string& host_of(const Placement& placement, int rank);

}  // namespace holdfast
