#include "launch/doctor/shared_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>

#include "base/clock.h"
#include "base/error.h"

namespace holdfast {
namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(20);

/// Through a fresh open each time: that is where file systems of several hosts make sure of what they say.
std::string content_of(const Path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fmt::format("({})", std::strerror(errno));
  char buffer[4096];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  const int error = errno;
  ::close(fd);
  return n < 0 ? fmt::format("({})", std::strerror(error)) : std::string(buffer, static_cast<std::size_t>(n));
}

bool is_there(const Path& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string own_text(const std::string& text, int host) { return fmt::format("{} of host {}", text, host); }

}  // namespace

SharedFiles::~SharedFiles() {
  if (lock_ >= 0) ::close(lock_);
}

void SharedFiles::write(const std::string& text) {
  const auto files = make_posix_file_system();
  const std::string own = own_text(text, host_);
  const auto file_of_ours = files->create(file(host_));
  file_of_ours->write_at(0, std::as_bytes(std::span(own)));
  file_of_ours->sync();
  file_of_ours->close();
  files->sync_directory(directory_);
  try {
    files->make_link(file(host_).filename().string(), link(host_));
  } catch (const StorageError&) {  // who looks for it will say so
  }
}

void SharedFiles::rename() {
  const auto files = make_posix_file_system();
  files->rename_new(file(host_), renamed(host_));
  try {
    const Path next = directory_ / fmt::format("next-{}", host_);
    files->make_link(renamed(host_).filename().string(), next);
    files->rename_over(next, link(host_));
  } catch (const StorageError&) {
  }
}

void SharedFiles::remove() {
  const auto files = make_posix_file_system();
  files->remove_file(renamed(host_));
  files->remove_file(link(host_));
  if (lock_ >= 0) ::close(std::exchange(lock_, -1));
}

bool SharedFiles::lock() {
  lock_ = ::open((directory_ / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock_ < 0) throw StorageError(ErrorText{.attempted = "open the lock in " + directory_.string(), .cause = std::strerror(errno)});
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return true;
  const int error = errno;
  ::close(std::exchange(lock_, -1));
  if (error == EWOULDBLOCK) return false;
  throw StorageError(ErrorText{.attempted = "flock in " + directory_.string(), .cause = std::strerror(error)});
}

std::string SharedFiles::problem_with(int host, const std::string& state, const std::string& text) const {
  const bool is_written = state == "written";
  const Path wanted = is_written ? file(host) : renamed(host), gone = is_written ? renamed(host) : file(host);
  if (state == "removed") return is_there(wanted) ? fmt::format("still sees {}, which was removed", wanted.filename().string()) : "";
  if (const std::string found = content_of(wanted); found != own_text(text, host))
    return fmt::format("finds {} where {} was {}", found.empty() ? "an empty file" : found, wanted.filename().string(), state);
  return is_there(gone) ? fmt::format("still sees {} under its old name", gone.filename().string()) : "";
}

bool SharedFiles::follows_link(int host, const std::string& state) const {
  char target[256] = "";
  const ssize_t n = ::readlink(link(host).c_str(), target, sizeof target - 1);
  const Path wanted = state == "written" ? file(host) : renamed(host);
  return state == "removed" ? n < 0 : n > 0 && wanted.filename() == std::string(target, static_cast<std::size_t>(n));
}

SharedFiles::Seen SharedFiles::look(const std::string& state, const std::vector<int>& hosts, const std::string& text,
                                    double seconds) const {
  const SystemClock clock;
  const double start = clock.seconds();
  for (;;) {
    Seen seen;
    for (const int host : hosts) {
      if (seen.problem = problem_with(host, state, text); !seen.problem.empty()) {
        seen.made_by = host;
        break;
      }
      seen.follows_links = seen.follows_links && follows_link(host, state);
    }
    seen.seconds = clock.seconds() - start;
    if ((seen.problem.empty() && seen.follows_links) || seen.seconds > seconds) return seen;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace holdfast
