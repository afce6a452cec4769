// Which hosts a command is to use: as its options name them, else those of the Slurm allocation that it runs in.
#pragma once

#include <string>
#include <vector>

#include "launch/hosts/host_list.h"

namespace holdfast {

/// `hosts`: "a:2,b:2"; `hostfile`: the name of a file; at most one of them is not empty. `command` is for messages. Empty: this host alone.
/// Throws UsageError, ConfigError, StorageError.
std::vector<Host> allocated_hosts(const std::string& command, const std::string& hosts, const std::string& hostfile);

/// Throws UsageError where `hosts` have too few slots for `ranks`; where there are none, they are no matter.
void require_slots(const std::vector<Host>& hosts, int ranks);

}  // namespace holdfast
