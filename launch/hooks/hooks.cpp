#include "launch/hooks/hooks.h"

#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/host.h"
#include "launch/hooks/hook_runner.h"

namespace holdfast {
namespace {

constexpr std::size_t kMostRunning = 16;

bool is_any_given(const HooksOptions& options) {
  return !options.on_start.empty() || !options.on_failure.empty() || !options.on_restart.empty() || !options.on_end.empty();
}

nlohmann::json some_of(const nlohmann::json& fields, std::initializer_list<const char*> names) {
  nlohmann::json out = nlohmann::json::object();
  for (const char* name : names) out[name] = fields.value(name, nlohmann::json());
  return out;
}

}  // namespace

Hooks::Hooks(const HooksOptions& options, const Path& run_directory, const Path& log) : options_(options), run_directory_(run_directory) {
  if (!is_any_given(options_)) return;
  std::array<int, 2> ends{};
  // Messages, whole ones, from several senders.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw StorageError(ErrorText{.attempted = "start what runs the hooks", .cause = std::strerror(errno)});
  const pid_t pid = ::fork();
  if (pid == 0) run_hooks({.socket = ends[1], .options = options_, .run_directory = run_directory_, .log = log});
  const int error = errno;
  ::close(ends[1]);
  socket_ = ends[0];
  if (pid > 0) return;
  ::close(socket_);
  throw StorageError(ErrorText{.attempted = "start what runs the hooks", .cause = std::strerror(error)});
}

Hooks::~Hooks() {
  if (socket_ >= 0) ::close(socket_);
}

void Hooks::happened(const std::string& event, const nlohmann::json& fields) {
  if (event == "run_started") fire("on_start", some_of(fields, {"pid", "ranks", "hosts", "command"}));
  if (event == "attempt_ended") attempt_ended(fields);
  if (event == "restart" && !std::exchange(is_end_told_, true)) fire("on_failure", newest_end_);
  if (event == "attempt_started" && fields.value("is_restart", false)) {
    nlohmann::json record = some_of(fields, {"attempt", "world_size", "hosts", "durable_step"});
    record["reason"] = newest_end_.value("reason", "");
    fire("on_restart", std::move(record));
  }
  if (event == "done" || event == "stopped" || event == "gave_up") run_ended(event, fields);
}

void Hooks::attempt_ended(const nlohmann::json& fields) {
  ++attempts_;
  newest_end_ = fields;
  newest_end_.erase("times");  // something of each rank: of hundreds more than a message takes, and the journal has it
  is_end_told_ = false;
}

/// The last attempt has failed where the run gives up because of it, or where a rank dies while it is being stopped.
void Hooks::run_ended(const std::string& end, const nlohmann::json& fields) {
  const bool has_failed =
      end == "gave_up" || (end == "stopped" && newest_end_.is_object() && !newest_end_.value("cause", nlohmann::json()).is_null());
  if (has_failed && !std::exchange(is_end_told_, true)) fire("on_failure", newest_end_);
  nlohmann::json record = fields;
  record["end"] = end;
  record["attempts"] = attempts_;
  fire("on_end", std::move(record));
}

void Hooks::fire(const std::string& hook, nlohmann::json record) {
  if (command_of(options_, hook).empty()) return;
  record["hook"] = hook;
  record["run_directory"] = run_directory_.string();
  record["host"] = host_name();
  record["time"] = utc_time(SystemClock().unix_seconds());
  const int number = ++fired_;
  const auto replace = nlohmann::json::error_handler_t::replace;
  const std::string error =
      running_.size() >= kMostRunning
          ? fmt::format("not started: {} hooks are still running", running_.size())
          : send(nlohmann::json{{"number", number}, {"hook", hook}, {"record", record.dump(-1, ' ', false, replace)}}.dump(-1, ' ', false,
                                                                                                                           replace));
  if (error.empty())
    running_[number] = hook;
  else
    refused_.push_back({.hook = hook, .error = error});
}

std::string Hooks::send(const std::string& message) const {
  if (::send(socket_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
  if (errno == EPIPE || errno == ECONNRESET) return "not started: the process that runs the hooks is gone";
  return fmt::format("not started: {} bytes for it cannot be sent: {}", message.size(), std::strerror(errno));
}

std::vector<HookEnd> Hooks::take_ended() {
  std::vector<HookEnd> ended = std::exchange(refused_, {});
  while (!running_.empty()) {
    std::array<char, kMostMessageBytes> buffer;
    const ssize_t n = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {  // nobody is left who could tell
      for (const auto& [number, hook] : std::exchange(running_, {})) ended.push_back({.hook = hook, .error = std::string(kKeeperKilled)});
      break;
    }
    const auto message = nlohmann::json::parse(buffer.data(), buffer.data() + n, nullptr, /*allow_exceptions=*/false);
    if (message.is_object() && running_.erase(message.value("number", 0)) > 0) ended.push_back(hook_end_from_json(message));
  }
  return ended;
}

void Hooks::kill_all() {
  if (socket_ >= 0) ::shutdown(socket_, SHUT_WR);
}

}  // namespace holdfast
