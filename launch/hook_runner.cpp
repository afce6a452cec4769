#include "launch/hook_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "launch/hook_end.h"
#include "launch/hook_keeper.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 50;
constexpr std::size_t kMostWords = 1000;  // bytes of an error

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

void tell(int socket, const Request& request, HookEnd end) {
  end.error.resize(std::min(end.error.size(), kMostWords));
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

}  // namespace

const std::vector<std::string>& command_of(const HooksOptions& options, const std::string& hook) {
  if (hook == "on_start") return options.on_start;
  if (hook == "on_failure") return options.on_failure;
  return hook == "on_restart" ? options.on_restart : options.on_end;
}

void run_hooks(const HookPlan& plan) noexcept {
  detach(plan.socket);
  std::map<pid_t, Request> keepers;
  for (;;) {
    pollfd waiting{.fd = plan.socket, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, keepers.empty() ? -1 : kTickMilliseconds) > 0) {
      const std::optional<Request> request = receive(plan.socket);
      if (!request) ::_exit(0);
      if (const pid_t pid = start_keeper(plan, *request); pid > 0) keepers.emplace(pid, *request);
    }
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (const auto kept = keepers.extract(pid); !kept.empty() && WIFSIGNALED(status))
        tell(plan.socket, kept.mapped(), {.hook = kept.mapped().hook, .error = std::string(kKeeperKilled)});
  }
}

}  // namespace holdfast
