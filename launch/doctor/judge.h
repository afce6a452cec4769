// From what is known of the hosts to what is said of it. Pure: every rule and every threshold of the doctor is here, and none of its
// measuring. One finding a check where all is well, one for each problem where not.
#pragma once

#include <vector>

#include "launch/doctor/facts.h"
#include "launch/doctor/finding.h"

namespace holdfast {

/// Each host was reached.
std::vector<HostFinding> judge_launch(const std::vector<HostFacts>& hosts);
/// The same programs, libraries and instruction set everywhere.
std::vector<HostFinding> judge_versions(const std::vector<HostFacts>& hosts);
std::vector<HostFinding> judge_clocks(const std::vector<HostFacts>& hosts);
/// Cores and memory against ranks and threads.
std::vector<HostFinding> judge_machines(const std::vector<HostFacts>& hosts, const JobFacts& job);
/// Open files, locked memory, file size, processes; huge pages; ports.
std::vector<HostFinding> judge_limits(const std::vector<HostFacts>& hosts, const JobFacts& job);
std::vector<HostFinding> judge_gpus(const std::vector<HostFacts>& hosts, const JobFacts& job);
/// The run directory is one and the same everywhere.
std::vector<HostFinding> judge_sharing(const std::vector<HostFacts>& hosts);
/// Direct I/O, fsync, speed, free space.
std::vector<HostFinding> judge_disks(const std::vector<HostFacts>& hosts, const JobFacts& job);
std::vector<HostFinding> judge_pairs(const PairsFacts& pairs, const JobFacts& job);

/// All of it, in the order of the table.
std::vector<HostFinding> judge(const std::vector<HostFacts>& hosts, const PairsFacts& pairs, const JobFacts& job);

/// "2 ms"
std::string seconds_text(double seconds);

}  // namespace holdfast
