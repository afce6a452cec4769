#include "dist/tear_down.h"

#include <condition_variable>
#include <exception>
#include <future>
#include <memory>
#include <mutex>

#include "base/exit_code.h"
#include "base/log.h"

namespace holdfast {

void run_within(std::chrono::milliseconds limit, const char* what, std::function<void()> work) {
  const auto is_over = std::make_shared<std::promise<void>>();
  std::future<void> over = is_over->get_future();
  std::thread([is_over, what, work = std::move(work)] {
    try {
      work();
    } catch (const std::exception& error) {
      log_error("{}: {}", what, error.what());
    } catch (...) {
      log_error("{}: it threw what is no std::exception", what);
    }
    is_over->set_value();
  }).detach();
  if (over.wait_for(limit) == std::future_status::ready) return;
  log_error("{}: not done after {} ms; going on without", what, limit.count());
}

void DeviceTearDown::run(const std::string& why) const {
  run_within(write_limit, "write the newest operations down", [write = write_down, why] { write(why); });
  run_within(abort_limit, "abort the connection between the devices", abort);
  leave(kExitUnavailable);
}

WatchdogThread::WatchdogThread(Watchdog& watchdog, DeviceTearDown tear_down, std::chrono::milliseconds interval)
    : thread_([&watchdog, tear_down = std::move(tear_down), interval](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any woken;
        std::unique_lock lock(mutex);
        while (!stop.stop_requested()) {
          if (const std::optional<std::string> why = watchdog.poll()) return tear_down.run(*why);
          woken.wait_for(lock, stop, interval, [] { return false; });
        }
      }) {}

}  // namespace holdfast
