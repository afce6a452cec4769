#include "apps/commands/trainer_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace holdfast {
namespace {

[[noreturn]] void refuse(const std::string& attempted, int error) {
  const bool is_missing = error == ENOENT;
  throw Error(
      to_string({.attempted = attempted,
                 .cause = std::strerror(error),
                 .next = is_missing ? "build it with `bash scripts/build.sh`; it knows the sizes of the model and of the data" : ""}),
      is_missing ? kExitUsage : kExitSoftware);
}

}  // namespace

TrainerAnswer ask_trainer(const std::filesystem::path& trainer, const std::vector<std::string>& arguments) {
  const std::string attempted = fmt::format("run {} {}", trainer.string(), arguments.empty() ? "" : arguments.front());
  std::vector<std::string> words = {trainer.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  std::array<int, 2> pipe_ends{};
  if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) refuse(attempted, errno);
  posix_spawn_file_actions_t redirection;
  posix_spawn_file_actions_init(&redirection);
  posix_spawn_file_actions_adddup2(&redirection, pipe_ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int error = posix_spawn(&child, trainer.c_str(), &redirection, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&redirection);
  ::close(pipe_ends[1]);
  TrainerAnswer answer;
  std::array<char, 4096> buffer{};
  for (ssize_t bytes = 1; error == 0 && (bytes > 0 || (bytes < 0 && errno == EINTR));) {
    bytes = ::read(pipe_ends[0], buffer.data(), buffer.size());
    if (bytes > 0) answer.output.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
  ::close(pipe_ends[0]);
  if (error != 0) refuse(attempted, error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) refuse(attempted, errno);
  if (!WIFEXITED(status))
    throw Error(to_string({.attempted = attempted, .found = fmt::format("its death by signal {}", WTERMSIG(status))}), kExitSoftware);
  answer.exit_code = WEXITSTATUS(status);
  return answer;
}

}  // namespace holdfast
