#include "launch/doctor/judge.h"

#include <fmt/format.h>

#include <iterator>

namespace holdfast {

std::vector<HostFinding> judge(const std::vector<HostFacts>& hosts, const PairsFacts& pairs, const JobFacts& job) {
  std::vector<HostFinding> all;
  std::vector<HostFacts> there;  // nothing is known of the others
  JobFacts job_there = job;
  job_there.ranks_of_host.clear();
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!hosts[i].launch_error.empty()) continue;
    there.push_back(hosts[i]);
    job_there.ranks_of_host.push_back(i < job.ranks_of_host.size() ? job.ranks_of_host[i] : 0);
  }
  for (std::vector<HostFinding>& part : std::vector<std::vector<HostFinding>>{
           judge_launch(hosts), judge_versions(there), judge_sharing(there), judge_disks(there, job_there), judge_clocks(there),
           judge_machines(there, job_there), judge_limits(there, job_there), judge_gpus(there, job_there), judge_pairs(pairs, job_there)})
    all.insert(all.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  return all;
}

std::string seconds_text(double seconds) {
  if (seconds < 1e-5) return fmt::format("{:.1f} µs", seconds * 1e6);
  if (seconds < 1e-3) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1e3);
  return seconds < 120 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
}

}  // namespace holdfast
