#include "launch/slurm/slurm_allocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "base/environment.h"
#include "base/error.h"
#include "base/program.h"

namespace holdfast {
namespace {

constexpr double kSlurmSeconds = 30;

/// SLURM_JOB_NODELIST is what scontrol expands when it is given no list.
std::vector<std::string> expanded_names() {
  const ProgramEnd end = run_program({"scontrol", "show", "hostnames"}, {.seconds = kSlurmSeconds, .takes_errors = true});
  std::vector<std::string> names;
  std::istringstream lines(end.output);
  for (std::string line; std::getline(lines, line);) names.push_back(line.substr(0, line.find_last_not_of(' ') + 1));
  const bool is_good = end.is_good() && !names.empty() && std::none_of(names.begin(), names.end(), [](const std::string& name) {
                         return name.empty() || name.find_first_of(" :") != name.npos;
                       });
  if (is_good) return names;
  throw ConfigError(ErrorText{.attempted = "ask Slurm for the hosts of this allocation (scontrol show hostnames)",
                              .expected = "one name a line",
                              .found = end.output.empty() ? "nothing" : "'" + end.output + "'",
                              .cause = end.start_error != 0 ? std::strerror(end.start_error)
                                       : end.was_in_time    ? ""
                                                            : fmt::format("it took longer than {:.0f} s", kSlurmSeconds),
                              .next = "put scontrol on PATH, or name the hosts: --hosts a:2,b:2"});
}

bool is_positive(const char* variable) { return environment::get_number(variable, 0) > 0; }

std::vector<int> slots_of_nodes() {
  const bool has_tasks = is_positive("SLURM_NTASKS") || is_positive("SLURM_NTASKS_PER_NODE");
  for (const char* variable :
       {has_tasks ? "SLURM_TASKS_PER_NODE" : "SLURM_JOB_CPUS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_CPUS_ON_NODE"}) {
    const auto text = environment::get(variable);
    if (!text) continue;
    std::vector<int> counts = parse_slurm_counts(*text, variable);
    if (std::string(variable) != "SLURM_TASKS_PER_NODE")
      for (int& count : counts) count = std::max(1, count / std::max(1, environment::get_number("SLURM_CPUS_PER_TASK", 1)));
    return counts;
  }
  return {1};
}

}  // namespace

std::vector<Host> slurm_allocation() {
  if (!environment::get("SLURM_JOB_NODELIST")) return {};
  const std::vector<std::string> names = expanded_names();
  std::vector<int> slots = slots_of_nodes();
  if (slots.size() == 1) slots.resize(names.size(), slots.front());
  if (slots.size() != names.size())
    throw ConfigError(ErrorText{.attempted = "match Slurm's hosts with their slots",
                                .expected = fmt::format("{} counts", names.size()),
                                .found = fmt::format("{}", slots.size()),
                                .next = "name the hosts: --hosts a:2,b:2"});
  std::vector<Host> hosts;
  for (std::size_t i = 0; i < names.size(); ++i) hosts.push_back({names[i], slots[i]});
  return hosts;
}

}  // namespace holdfast
