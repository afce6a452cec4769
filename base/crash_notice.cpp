#include "base/crash_notice.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstddef>

namespace holdfast {
namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// What the handler needs: it may neither allocate nor lock.
const std::string* current_text = nullptr;
std::array<struct sigaction, kSignals.size()> actions_before;

void tell(int signal) {
  const auto write_out = [](const char* text, std::size_t size) {
    if (::write(STDERR_FILENO, text, size) < 0) return;  // nobody is left to be told
  };
  write_out("crashed: ", 9);
  write_out(current_text->data(), current_text->size());
  write_out("\n", 1);
  ::raise(signal);  // its default action, which SA_RESETHAND has brought back, once this returns
}

}  // namespace

CrashNotice::CrashNotice(std::string text, Heartbeat* heartbeat) : text_(std::move(text)), heartbeat_(heartbeat) {
  if (heartbeat_) heartbeat_->set_error(text_);
  current_text = &text_;
  struct sigaction action {};
  action.sa_handler = tell;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &actions_before[i]);
}

CrashNotice::~CrashNotice() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &actions_before[i], nullptr);
  current_text = nullptr;
  if (heartbeat_) heartbeat_->set_error("");
}

}  // namespace holdfast
