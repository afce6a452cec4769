#include "launch/attempt/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/exec_array.h"
#include "base/host.h"

namespace holdfast {
namespace {

std::string find_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path ? path : "");
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::string candidate = directory + "/" + program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw Error(
      to_string({.attempted = "start the ranks", .expected = "mpirun on PATH", .found = "none", .next = "apt-get install openmpi-bin"}),
      kExitConfiguration);
}

/// This process's environment and what mpirun is to have besides, as "NAME=VALUE". Complete before the fork: the child of a process
/// with threads must not allocate.
std::vector<std::string> launch_environment(const LaunchPlan& plan) {
  std::map<std::string, std::string> variables;
  // Every MPI_Init of Open MPI 4 asks hwloc for the machine, and its plugin for OpenGL looks for X servers: seconds where
  // the name localhost is not resolved at once.
  variables.emplace("HWLOC_COMPONENTS", "-gl");
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) variables.insert_or_assign(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto* given : {&plan.variables, &plan.own_variables})
    for (const auto& [name, value] : *given) variables[name] = value;
  if (::geteuid() == 0)
    for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"})
      variables.insert_or_assign(name, std::string("1"));
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables) environment.push_back(fmt::format("{}={}", name, value));
  return environment;
}

int most_on_a_host(const LaunchPlan& plan) {
  int most = plan.hosts.empty() ? plan.ranks : 0;
  for (const Host& host : plan.hosts) most = std::max(most, host.slots);
  return most;
}

pid_t start(const LaunchPlan& plan, std::vector<std::string> words) {
  std::vector<std::string> variables = launch_environment(plan);
  const std::vector<char*> arguments = exec_array(words), environment = exec_array(variables);
  const pid_t supervisor = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw StorageError(ErrorText{.attempted = "start " + words.front(), .cause = std::strerror(errno)});
  if (pid > 0) return pid;
  // A group, no session: Linux schedules sessions as units (autogroup), and ranks that wake up often in one of their own can keep
  // the supervisor of another from running for longer than a lease.
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != supervisor) ::_exit(kExitUnavailable);
  // A scheduler that ends a job sends TERM to every process of it at once. mpirun would answer by killing the ranks, which have the
  // time until KILL for their checkpoint. It unblocks all signals in what it starts.
  sigset_t left_to_others;
  ::sigemptyset(&left_to_others);
  for (const int number : {SIGTERM, SIGINT}) ::sigaddset(&left_to_others, number);
  ::sigprocmask(SIG_SETMASK, &left_to_others, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int out = ::open(plan.log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644), in = ::open("/dev/null", O_RDONLY);
  if (out < 0) ::_exit(kExitStorage);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execve(arguments[0], arguments.data(), environment.data());
  ::_exit(kExitSoftware);
}

}  // namespace

std::vector<std::string> mpirun_arguments(const LaunchPlan& plan, int usable_cores) {
  std::vector<std::string> words = {"-n", std::to_string(plan.ranks), "--bind-to", "none"};
  if (!plan.hosts.empty()) words.insert(words.end(), {"--host", to_string(plan.hosts), "--map-by", "slot"});
  // Slots are cores; with more ranks than that Open MPI must be told, and then yields while it waits.
  if (most_on_a_host(plan) > usable_cores) words.push_back("--oversubscribe");
  const auto set = [&words](const char* key, const char* value) { words.insert(words.end(), {"--mca", key, value}); };
  set("odls_base_sigkill_timeout", "0");  // the supervisor has killed the ranks already
  set("orte_base_help_aggregate", "0");
  if (!plan.hosts.empty()) {
    // Slots that were asked for by name are no cores: ranks that wait give theirs away where there are too few.
    if (most_on_a_host(plan) > usable_cores) set("mpi_yield_when_idle", "1");
    // Without them a link that is cut is noticed after minutes.
    set("oob_tcp_keepalive_time", "3");
    set("oob_tcp_keepalive_intvl", "1");
    set("oob_tcp_keepalive_probes", "3");
    set("orte_keep_fqdn_hostnames", "1");
  }
  if (!plan.agent.empty()) {
    set("plm", "rsh");  // also inside an allocation of Slurm's
    set("plm_rsh_agent", plan.agent.c_str());
  }
  for (const auto& [name, value] : plan.variables) words.insert(words.end(), {"-x", name});
  for (const std::string& name : plan.exported) words.insert(words.end(), {"-x", name});
  if (!plan.shim.empty()) words.insert(words.end(), {plan.shim, "rank", "--"});
  words.insert(words.end(), plan.command.begin(), plan.command.end());
  return words;
}

pid_t start_mpirun(const LaunchPlan& plan) {
  std::vector<std::string> words = {find_on_path("mpirun")};
  for (std::string& word : mpirun_arguments(plan, usable_cores())) words.push_back(std::move(word));
  return start(plan, std::move(words));
}

pid_t start_alone(const LaunchPlan& plan) { return start(plan, plan.command); }

}  // namespace holdfast
