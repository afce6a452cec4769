#include "launch/lease/leases.h"

#include <algorithm>
#include <utility>

namespace holdfast {
namespace {

constexpr double kHelloSeconds = 5;  // a connection that has not said who it is by then is dropped
constexpr double kStallSeconds = 2;  // this process was not running in between

}  // namespace

Leases::Leases(const Clock& clock, std::string token, Handlers handlers, Reachability reachability)
    : clock_(clock),
      token_(std::move(token)),
      handlers_(std::move(handlers)),
      listener_(reachability.reach),
      lease_seconds_(reachability.lease_seconds),
      awake_at_(clock.seconds()) {
  ready_.add(listener_.fd(), nullptr);
}

void Leases::add_to(std::vector<pollfd>& waiting) const { waiting.push_back({.fd = ready_.fd(), .events = POLLIN, .revents = 0}); }

/// What the shims have said while this process stood still waits to be read.
void Leases::forgive_own_stall() {
  const double now = clock_.seconds();
  if (now - awake_at_ > kStallSeconds)
    for (Lease& lease : leases_) lease.heard_at = std::max(lease.heard_at, now - lease_seconds_ + kStallSeconds);
  awake_at_ = now;
}

void Leases::expire(Lease& lease, double now) {
  const double silent_seconds = now - lease.heard_at;
  if (!lease.rank || lease.has_ended || silent_seconds <= lease_seconds_) return;
  lease.line->close();
  lease.silent_seconds = silent_seconds;
}

std::list<Leases::Lease> Leases::take_gone() {
  std::list<Lease> gone;
  for (auto lease = leases_.begin(); lease != leases_.end();) {
    const auto one = lease++;
    if (one->line->is_open()) continue;
    one->quiet_seconds = one->line->quiet_seconds();
    ready_.remove(one->line->fd());
    gone.splice(gone.end(), leases_, one);
  }
  gone.sort([](const Lease& a, const Lease& b) { return a.quiet_seconds > b.quiet_seconds; });
  return gone;
}

void Leases::accept_all() {
  while (auto line = listener_.accept()) {
    line->set_patience(std::min(lease_seconds_, 3600.0));
    leases_.push_back({.line = std::move(line), .since = clock_.seconds(), .heard_at = clock_.seconds()});
    ready_.add(leases_.back().line->fd(), &leases_.back());
  }
}

void Leases::take_messages(int attempt) {
  forgive_own_stall();
  for (void* lease : ready_.take())
    if (lease) static_cast<Lease*>(lease)->is_ready = true;
  accept_all();
  for (Lease& lease : leases_)
    if (std::exchange(lease.is_ready, false) || lease.line->is_behind())
      lease.line->receive([&](const nlohmann::json& message) { take_message(lease, message, attempt); });
  const double now = clock_.seconds();
  for (Lease& lease : leases_) {
    if (!lease.rank && now - lease.since > kHelloSeconds) lease.line->close();
    if (lease.line->is_open()) expire(lease, now);
  }
  for (const Lease& lease : take_gone()) {
    if (!lease.rank || lease.has_ended) continue;
    if (lease.silent_seconds > 0 && handlers_.silent)
      handlers_.silent(*lease.rank, lease.host, lease.silent_seconds);
    else
      handlers_.lost(*lease.rank, lease.host);
  }
}

void Leases::take_message(Lease& lease, const nlohmann::json& message, int attempt) {
  try {
    if (lease.rank) {
      lease.heard_at = clock_.seconds();
      lease.has_ended = lease.has_ended || message.contains("exit");
      return handlers_.said(*lease.rank, message);
    }
    const nlohmann::json& hello = message.at("hello");
    if (hello.at("token") != token_ || hello.at("attempt") != attempt) return lease.line->close();
    lease.host = hello.at("host").get<std::string>();
    lease.rank = hello.at("rank").get<int>();
    lease.line->send({{"command", "welcome"}});
    handlers_.joined(*lease.rank, lease.host);
  } catch (const nlohmann::json::exception&) {
    lease.line->close();
  }
}

void Leases::tell(const char* command, nlohmann::json fields) {
  fields["command"] = command;
  for (Lease& lease : leases_)
    if (lease.rank) lease.line->send(fields);
}

void Leases::hand_over(Handlers handlers) {
  handlers_ = std::move(handlers);
  for (const Lease& lease : leases_)
    if (lease.rank) handlers_.joined(*lease.rank, lease.host);
}

std::map<int, std::string> Leases::hosts() const {
  std::map<int, std::string> hosts;
  for (const Lease& lease : leases_)
    if (lease.rank) hosts.emplace(*lease.rank, lease.host);
  return hosts;
}

std::ptrdiff_t Leases::connected() const {
  return std::count_if(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.rank.has_value(); });
}

std::vector<int> Leases::silent_for(double seconds) const {
  std::vector<int> ranks;
  const double now = clock_.seconds();
  for (const Lease& lease : leases_)
    if (lease.rank && !lease.has_ended && now - lease.heard_at >= seconds) ranks.push_back(*lease.rank);
  return ranks;
}

bool Leases::have_all_ended() const {
  return std::all_of(leases_.begin(), leases_.end(), [](const Lease& lease) { return !lease.rank || lease.has_ended; });
}

}  // namespace holdfast
