#include "launch/output.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace holdfast {
namespace {

constexpr std::size_t kMostWaiting = 1 << 20;
constexpr std::chrono::seconds kLastWait{1};

/// Gives up when the reader is gone.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {  // another program has made the terminal non-blocking
      pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&waiting, 1, -1);
      continue;
    }
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

struct Output::Shared {
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string waiting;
  std::size_t left_out = 0;
  bool is_writing = false, is_over = false;

  void run(int fd) {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return is_over || !waiting.empty(); });
      if (waiting.empty()) return;
      std::string text = std::exchange(waiting, {});
      if (const std::size_t count = std::exchange(left_out, 0); count > 0)
        text += fmt::format("… {} more were not shown, as nobody read; the logs have them\n", count);
      is_writing = true;
      lock.unlock();
      write_all(fd, text);
      lock.lock();
      is_writing = false;
      changed.notify_all();
    }
  }
};

Output::Output(int fd) : shared_(std::make_shared<Shared>()) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the supervisor's own thread's
  std::thread([shared = shared_, fd] { shared->run(fd); }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Output::~Output() {
  std::unique_lock lock(shared_->mutex);
  shared_->is_over = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, kLastWait, [this] { return shared_->waiting.empty() && !shared_->is_writing; });
}

void Output::write(const std::string& text) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->waiting.size() + text.size() > kMostWaiting)
    ++shared_->left_out;
  else
    shared_->waiting += text;
  shared_->changed.notify_all();
}

bool Output::is_behind() const {
  const std::lock_guard lock(shared_->mutex);
  return !shared_->waiting.empty() || shared_->is_writing;
}

}  // namespace holdfast
