#include "launch/hooks/hook_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "launch/hooks/descendants.h"
#include "launch/hooks/hook_end.h"
#include "launch/hooks/hook_keeper.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 50;
constexpr double kKeepersSeconds = 5;  // their own limit, and time to write down what they saw
constexpr double kStraysSeconds = 2;

struct Request {
  int number;
  std::string hook, record;
};

/// Nothing of the supervisor's stays open: its lock would outlive it, and who reads its output would wait.
void detach(int socket) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, "holdfast-hooks");
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  if (socket > 3) ::close_range(3, static_cast<unsigned>(socket) - 1, 0);
  ::close_range(static_cast<unsigned>(socket) + 1, ~0U, 0);
}

/// nullopt: there is nobody any more.
std::optional<Request> receive(int socket) {
  const ssize_t bytes = ::recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  std::string text(bytes > 0 ? static_cast<std::size_t>(bytes) : 0, '\0');
  if (text.empty() || ::recv(socket, text.data(), text.size(), 0) != bytes) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(text);
  return Request{json.at("number"), json.at("hook"), json.at("record")};
}

void tell(int socket, const Request& request, const HookEnd& end) {
  nlohmann::json json = to_json(end);
  json["number"] = request.number;
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}

pid_t start_keeper(const HookPlan& plan, const Request& request) {
  const pid_t pid = ::fork();
  if (pid < 0) tell(plan.socket, request, {.hook = request.hook, .error = "not started: there is no process left for it"});
  if (pid != 0) return pid;
  tell(plan.socket, request, keep_hook(plan, request.hook, request.record));
  ::_exit(0);
}

std::set<pid_t> pids_of(const std::map<pid_t, Request>& keepers) {
  std::set<pid_t> pids;
  for (const auto& [pid, request] : keepers) pids.insert(pid);
  return pids;
}

/// The ends of those who have heard as well that nothing more comes, and kill what they keep.
void await(std::map<pid_t, Request> keepers) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kKeepersSeconds);
  while (!keepers.empty() && std::chrono::steady_clock::now() < end) {
    for (pid_t pid = 0; (pid = ::waitpid(-1, nullptr, WNOHANG)) > 0;) keepers.erase(pid);
    ::poll(nullptr, 0, kTickMilliseconds / 10);
  }
}

}  // namespace

const std::vector<std::string>& command_of(const HooksOptions& options, const std::string& hook) {
  if (hook == "on_start") return options.on_start;
  if (hook == "on_failure") return options.on_failure;
  return hook == "on_restart" ? options.on_restart : options.on_end;
}

void run_hooks(const HookPlan& plan) noexcept {
  detach(plan.socket);
  adopt_orphans();
  std::map<pid_t, Request> keepers;
  bool is_keeper_lost = false;  // what it kept has come to this process, and is killed here
  for (;;) {
    pollfd waiting{.fd = plan.socket, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, keepers.empty() && !is_keeper_lost ? -1 : kTickMilliseconds) > 0) {
      const std::optional<Request> request = receive(plan.socket);
      if (!request) break;
      if (const pid_t pid = start_keeper(plan, *request); pid > 0) keepers.emplace(pid, *request);
    }
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (const auto kept = keepers.extract(pid); !kept.empty() && WIFSIGNALED(status)) {
        tell(plan.socket, kept.mapped(), {.hook = kept.mapped().hook, .error = std::string(kKeeperKilled)});
        is_keeper_lost = true;
      }
    if (is_keeper_lost) is_keeper_lost = kill_descendants_but(pids_of(keepers)) > 0;
  }
  await(std::move(keepers));
  end_descendants(kStraysSeconds);
  ::_exit(0);
}

}  // namespace holdfast
