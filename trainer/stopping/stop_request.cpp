#include "trainer/stopping/stop_request.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace holdfast {
namespace {

std::atomic<int> interrupts{0};
std::atomic<bool> is_requested{false};

void handle(int signal_number) {
  is_requested.store(true);
  if (signal_number == SIGINT && interrupts.fetch_add(1) > 0) ::_exit(128 + SIGINT);
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  for (const int signal_number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) ::sigaction(signal_number, &action, nullptr);
}

bool is_stop_requested() { return is_requested.load(); }

}  // namespace holdfast
