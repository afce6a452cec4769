#include "launch/attempt/attempt_processes.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/environment.h"
#include "base/host.h"
#include "checkpoint/format/layout.h"
#include "launch/attempt/launcher.h"

namespace holdfast {

AttemptProcesses start_attempt(const AttemptStart& start, const SupervisorOptions& options, const HostWatch& hosts, FileSystem& files,
                               const Clock& clock, Leases::Handlers handlers) {
  const RunLayout layout{options.run_directory};
  make_directories(files, layout.attempt_logs(start.attempt));
  const Leases::Reachability reachability{hosts.has_other_hosts() ? Reach::every_host : Reach::this_host, options.restart.lease_seconds};
  AttemptProcesses started{.tag = start.tag,
                           .session = std::make_unique<SessionDirectory>(files, layout.root, start.attempt, start.before),
                           .leases = std::make_unique<Leases>(clock, start.token, std::move(handlers), reachability)};
  std::map<std::string, std::string> variables = {
      {environment::kSupervisor, hosts.lease_addresses(started.leases->address(), started.leases->port())},
      {environment::kToken, start.token},
      {environment::kAttempt, std::to_string(start.attempt)},
      {environment::kFirstAttempt, std::to_string(start.first_attempt)},
      {environment::kStarted, fmt::format("{:.3f}", start.began_at)},
      {environment::kReachedStep, std::to_string(start.reached_step)},
      {environment::kRunDirectory, layout.root.string()},
      {environment::kLeaseSeconds, fmt::format("{}", options.restart.lease_seconds)},
      {environment::kAttemptTag, start.tag},
      {environment::kSession, host_name() + ":" + started.session->path().string()}};
  if (start.before == Before::runs) variables.emplace(environment::kStandby, "1");
  started.launcher = start_mpirun({.ranks = hosts.ranks(),
                                   .hosts = hosts.placement(),
                                   .agent = options.agent,
                                   .shim = options.shim,
                                   .command = options.command,
                                   .variables = std::move(variables),
                                   .own_variables = started.session->variables(),
                                   .exported = options.exported,
                                   .log = layout.launcher_log(start.attempt)});
  return started;
}

}  // namespace holdfast
