// The hosts of a supervised run: where the next attempt runs, which host is suspected and asked after, which is lost. Tells its owner in
// events. Where the run has this host alone there is nothing to watch. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "launch/hosts/host_pool.h"
#include "launch/hosts/host_probe.h"
#include "launch/supervision.h"
#include "launch/supervisor.h"
#include "launch/timer.h"

namespace holdfast {

/// For the journal: [{"host", "ranks"}].
nlohmann::json to_json(const Placement& placement);

class HostWatch {
 public:
  HostWatch(const SupervisorOptions& options, const Clock& clock, std::function<void(const Event&)> on_event);

  bool has_other_hosts() const { return !other_hosts_.empty(); }
  /// Of the present attempt.
  int ranks() const { return pool_.is_empty() ? options_.ranks : slots_of(pool_.placement()); }
  /// Empty: this host takes all.
  const Placement& placement() const { return pool_.placement(); }
  /// Where shims call: at every address by which other hosts may reach this one, with `port`; `local` where there are none.
  std::string lease_addresses(const std::string& local, int port) const;

  /// What an earlier supervisor of the run has learned.
  void recall(const std::vector<nlohmann::json>& journal);
  /// Decides where the next attempt runs: Placed, or TooFewHosts. Where the hosts that are left do not suffice, those on probation are
  /// asked, which takes up to HostProbe::kSeconds: one that answers is tried earlier.
  void place_ranks();
  void begin_attempt();
  void end_attempt();

  void joined(int rank, const std::string& host) { pool_.joined(rank, host); }
  void ended(int rank) { pool_.ended(rank); }
  /// Silence of a shim, in seconds, from which on its host is asked after ahead of any suspicion.
  double patience_seconds() const;
  /// Nothing has been heard of the rank's shim for that long: its host is asked, once a lease, so that the answer is there when the lease
  /// ends.
  void ask_ahead(int rank);
  /// The rank's shim is gone without a word, or nothing reaches it: is it the host that is gone?
  void suspect(int rank, const std::string& evidence);
  void ask_who_has_not_called();
  /// To be told of every child that was reaped.
  void reaped(pid_t pid, int wait_status) { probe_.reaped(pid, wait_status); }
  bool is_asking() const { return probe_.is_asking(); }
  /// Answers and moments that have come. `is_running`: the attempt is not ending.
  void tick(bool is_running);

 private:
  void ask_after(const std::string& host, const std::string& evidence, double seconds);
  bool is_other(const std::string& host) const;
  void take_answers();
  void lose_the_absent();
  void ask_those_on_probation(const std::vector<std::string>& hosts);
  std::string too_few_hosts() const;

  const SupervisorOptions& options_;
  const Clock& clock_;
  std::function<void(const Event&)> on_event_;
  std::vector<std::string> other_hosts_;
  HostPool pool_;
  HostProbe probe_;
  std::map<std::string, std::string> suspicions_;                // host to evidence
  std::map<std::string, double> asked_ahead_at_, not_there_at_;  // host to the moment
  Timer call_timer_;
};

}  // namespace holdfast
