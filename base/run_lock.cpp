#include "base/run_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/host.h"
#include "base/text_file.h"

namespace holdfast {
namespace {

nlohmann::json holder_of(const Path& path) {
  const auto json = nlohmann::json::parse(text_of_file(path), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : nlohmann::json::object();
}

/// Whoever trains has it for long; whoever asks whether somebody trains (is_held) has it for a moment. Throws StorageError where the file
/// system knows no locks.
bool take_exclusively(int fd, const Path& path) {
  constexpr int kPauseMilliseconds = 10;
  const SystemClock clock;
  for (const double end = clock.seconds() + RunLock::kPatienceSeconds; ::flock(fd, LOCK_EX | LOCK_NB) != 0;) {
    const int error = errno;
    if (error != EWOULDBLOCK && error != EINTR) {
      ::close(fd);
      throw StorageError(ErrorText{.attempted = "take the run's lock " + path.string(),
                                   .cause = std::strerror(error),
                                   .next = "put the run directory on a file system that has locks (flock)"});
    }
    if (clock.seconds() > end) return false;
    ::poll(nullptr, 0, kPauseMilliseconds);
  }
  return true;
}

}  // namespace

RunLock::RunLock(const Path& path, const std::string& token, const std::string& purpose) {
  fd_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (fd_ < 0)
    throw StorageError(ErrorText{.attempted = "open the run's lock " + path.string(),
                                 .cause = std::strerror(errno),
                                 .next = "see that this user may write there, or give another --run-dir"});
  if (!take_exclusively(fd_, path)) {
    ::close(fd_);
    const nlohmann::json holder = holder_of(path);
    throw Error(to_string({.attempted = purpose + " " + path.parent_path().string(),
                           .expected = "a run directory that nobody trains in",
                           .found = fmt::format("process {} on {} since {}", holder.value("pid", 0), holder.value("host", "?"),
                                                holder.value("since", "?")),
                           .next = "wait for it, stop it, or give another --run-dir"}),
                kExitUnavailable);
  }
  const std::string text = nlohmann::json{{"pid", ::getpid()},
                                          {"host", host_name()},
                                          {"since", utc_time(SystemClock().unix_seconds())},
                                          {"token_digest", token.empty() ? "" : to_hex(digest_of(token))}}
                               .dump() +
                           "\n";
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    ::close(fd_);
    throw StorageError(ErrorText{.attempted = "write the run's lock " + path.string(),
                                 .cause = std::strerror(errno),
                                 .next = "make room there, or give another --run-dir"});
  }
}

RunLock::~RunLock() { ::close(fd_); }

bool RunLock::is_held(const Path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool is_held = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return is_held;
}

bool RunLock::accepts(const Path& path, const std::string& token) {
  return !token.empty() && holder_of(path).value("token_digest", "") == to_hex(digest_of(token));
}

}  // namespace holdfast
