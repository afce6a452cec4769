#include "launch/hosts/host_watch.h"

#include <poll.h>
#include <sys/wait.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "launch/hosts/own_addresses.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 10;
constexpr double kPatienceSeconds = 1;  // five words of a shim are missing
constexpr double kCallSeconds = 10;     // from the start of an attempt to asking after hosts that have not called

std::vector<std::string> others(const std::vector<Host>& hosts) {
  std::vector<std::string> names;
  for (const Host& host : hosts)
    if (!is_this_host(host.name)) names.push_back(host.name);
  return names;
}

}  // namespace

nlohmann::json to_json(const Placement& placement) {
  nlohmann::json hosts = nlohmann::json::array();
  for (const Host& host : placement) hosts.push_back({{"host", host.name}, {"ranks", host.slots}});
  return hosts;
}

HostWatch::HostWatch(const SupervisorOptions& options, const Clock& clock, std::function<void(const Event&)> on_event)
    : options_(options),
      clock_(clock),
      on_event_(std::move(on_event)),
      other_hosts_(others(options.hosts)),
      pool_(other_hosts_.empty() ? std::vector<Host>() : options.hosts,
            {options.ranks, static_cast<int>(options.restart.min_ranks.value_or(options.ranks))}, options.restart.probation_seconds),
      probe_(options.agent) {}

std::string HostWatch::lease_addresses(const std::string& local, int port) const {
  if (other_hosts_.empty()) return local;
  std::vector<std::string> addresses = own_addresses(other_hosts_);
  for (std::string& address : addresses) address += fmt::format(":{}", port);
  return fmt::format("{}", fmt::join(addresses, ","));
}

void HostWatch::recall(const std::vector<nlohmann::json>& journal) {
  for (const nlohmann::json& line : journal)
    if (line.value("event", "") == "host_lost" && is_other(line.value("host", "")))  // this host is there: it starts the run
      pool_.lose(line.value("host", ""), line.value("unix_seconds", 0.0));
}

bool HostWatch::is_other(const std::string& host) const {
  return std::find(other_hosts_.begin(), other_hosts_.end(), host) != other_hosts_.end();
}

void HostWatch::place_ranks() {
  if (pool_.is_empty()) return;
  std::optional<Placement> placement = pool_.place_next(clock_.unix_seconds());
  const std::vector<std::string> lost = pool_.lost(clock_.unix_seconds());
  if (!placement && !lost.empty()) {
    ask_those_on_probation(lost);
    placement = pool_.place_next(clock_.unix_seconds());
  }
  if (placement)
    on_event_(event::Placed{slots_of(*placement), to_json(*placement)});
  else
    on_event_(event::TooFewHosts{too_few_hosts()});
}

void HostWatch::ask_those_on_probation(const std::vector<std::string>& hosts) {
  const auto pardon_those_that_answer = [this] {
    for (const HostProbe::Answer& answer : probe_.answers(clock_.seconds()))
      if (answer.is_there) pool_.pardon(answer.host);
  };
  for (const std::string& host : hosts) probe_.ask(host, clock_.seconds());
  while (probe_.is_asking()) {
    probe_.reap();
    pardon_those_that_answer();
    ::poll(nullptr, 0, kTickMilliseconds);
  }
  pardon_those_that_answer();
}

std::string HostWatch::too_few_hosts() const {
  const std::vector<std::string> lost = pool_.lost(clock_.unix_seconds());
  return to_string(ErrorText{.attempted = "find hosts for the next attempt",
                             .expected = fmt::format("slots for {} ranks", options_.restart.min_ranks.value_or(options_.ranks)),
                             .found = fmt::format("{} without a host, as {} {} lost and not back", to_string(options_.hosts),
                                                  fmt::join(lost, ", "), lost.size() == 1 ? "is" : "are"),
                             .next = "start again when there are hosts; with restart.min_ranks it goes on with fewer ranks"});
}

void HostWatch::begin_attempt() {
  if (other_hosts_.empty()) return;
  call_timer_.start(clock_.seconds(), kCallSeconds);
}

void HostWatch::end_attempt() {
  call_timer_.stop();
  suspicions_.clear();
  asked_ahead_at_.clear();
  not_there_at_.clear();
}

double HostWatch::patience_seconds() const { return std::max(options_.restart.lease_seconds - HostProbe::kSeconds, kPatienceSeconds); }

void HostWatch::ask_ahead(int rank) {
  if (other_hosts_.empty() || rank < 0 || rank >= ranks()) return;
  const std::string& host = pool_.home_of(rank);
  const double now = clock_.seconds();
  const auto [asked_at, is_first] = asked_ahead_at_.try_emplace(host, now);
  if (!is_other(host) || (!is_first && now < asked_at->second + options_.restart.lease_seconds)) return;
  asked_at->second = now;
  probe_.ask(host, now);
}

void HostWatch::suspect(int rank, const std::string& evidence) {
  if (const std::optional<std::string> host = pool_.gone(rank)) ask_after(*host, evidence, HostProbe::kSeconds);
}

void HostWatch::ask_after(const std::string& host, const std::string& evidence, double seconds) {
  if (!is_other(host)) return;
  suspicions_[host] = evidence;
  if (!not_there_at_.contains(host)) probe_.ask(host, clock_.seconds(), seconds);
}

void HostWatch::ask_who_has_not_called() {
  // Starting programs keeps a host busy: it may take longer to answer.
  for (const std::string& host : pool_.never_called()) ask_after(host, "none of its ranks has called", kCallSeconds);
}

void HostWatch::tick(bool is_running) {
  const double now = clock_.seconds();
  if (call_timer_.take(now) && is_running && !pool_.never_called().empty()) {
    ask_who_has_not_called();
    call_timer_.start(now, kCallSeconds);
  }
  take_answers();
}

void HostWatch::take_answers() {
  const double now = clock_.seconds();
  for (const HostProbe::Answer& answer : probe_.answers(now)) {
    if (answer.is_there)
      suspicions_.erase(answer.host);
    else
      not_there_at_[answer.host] = now;
  }
  // Heard within a lease it would not be suspected: an answer that is older is not of the present silence.
  std::erase_if(not_there_at_, [&](const auto& one) { return now > one.second + options_.restart.lease_seconds; });
  lose_the_absent();
}

void HostWatch::lose_the_absent() {
  std::vector<event::HostLost> lost;
  for (const auto& [host, evidence] : suspicions_)
    if (not_there_at_.contains(host))
      lost.push_back({host, pool_.ranks_on(host), fmt::format("{}, and `{}` failed", evidence, probe_.command_for(host))});
  for (const event::HostLost& event : lost) {
    suspicions_.erase(event.host);
    pool_.lose(event.host, clock_.unix_seconds());
    on_event_(event);
  }
}

}  // namespace holdfast
