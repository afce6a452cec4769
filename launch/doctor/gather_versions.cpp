#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "checkpoint/format/hdf5_version.h"
#include "launch/doctor/gather.h"
#include "launch/exec_array.h"

namespace holdfast {
namespace {

/// What comes out of `fd` until it is closed or the time is over.
bool read_until(int fd, double end, std::string& text) {
  const SystemClock clock;
  for (;;) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const double left = end - clock.seconds();
    if (left <= 0) return false;
    if (::poll(&waiting, 1, static_cast<int>(left * 1000) + 1) <= 0) continue;
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace

ProgramEnd run_program(const std::vector<std::string>& words, double seconds) {
  std::vector<std::string> copies = words;
  const std::vector<char*> arguments = exec_array(copies);
  ProgramEnd end;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {.exit_code = 126, .output = std::strerror(errno)};
  posix_spawn_file_actions_t redirection;
  posix_spawn_file_actions_init(&redirection);
  posix_spawn_file_actions_adddup2(&redirection, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&redirection, ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, arguments[0], &redirection, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&redirection);
  ::close(ends[1]);
  if (error == 0) {
    end.was_in_time = read_until(ends[0], SystemClock().seconds() + seconds, end.output);
    if (!end.was_in_time) ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  } else {
    end = {.exit_code = 127, .output = fmt::format("cannot run {}: {}", words.front(), std::strerror(error))};
  }
  ::close(ends[0]);
  return end;
}

VersionFacts gather_versions(const Path& trainer, double seconds) {
  VersionFacts facts;
  facts.holdfast = HOLDFAST_VERSION;
  facts.hdf5 = hdf5_version();
  const ProgramEnd end = run_program({trainer.string(), "--probe", "versions"}, seconds);
  const std::string last_line = end.output.substr(end.output.rfind('\n', end.output.empty() ? 0 : end.output.size() - 2) + 1);
  const auto said = nlohmann::json::parse(last_line, nullptr, /*allow_exceptions=*/false);
  if (!end.was_in_time) {
    facts.error = fmt::format("{} did not answer within {:.0f} s", trainer.string(), seconds);
  } else if (end.exit_code != 0 || !said.is_object()) {
    facts.error = end.output.empty() ? fmt::format("{} exited with code {}", trainer.string(), end.exit_code) : end.output;
    while (facts.error.ends_with('\n')) facts.error.pop_back();
  } else {
    facts.trainer = said.value("holdfast", "");
    facts.libtorch = said.value("libtorch", "");
    facts.mpi = said.value("mpi", "");
    facts.instruction_set = said.value("instruction_set", "");
    facts.build = said.value("build", "");
  }
  return facts;
}

}  // namespace holdfast
