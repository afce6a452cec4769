#include "dist/watchdog.h"

#include <fmt/format.h>

namespace holdfast {

std::uint64_t Watchdog::begin(OperationKind kind, std::uint64_t bytes) {
  return parts_.recorder.begin(kind, bytes, parts_.clock.unix_seconds());
}

void Watchdog::watch(std::uint64_t sequence, std::uint64_t bytes, std::unique_ptr<OperationMarks> marks) {
  const std::lock_guard lock(mutex_);
  watched_.push_back({.sequence = sequence, .bytes = bytes, .marks = std::move(marks), .started_at = {}});
}

bool Watchdog::advance(Watched& operation) {
  if (!operation.started_at && operation.marks->has_started()) {
    operation.started_at = parts_.clock.seconds();
    parts_.recorder.started(operation.sequence, parts_.clock.unix_seconds());
  }
  if (!operation.started_at || !operation.marks->is_done()) return false;
  parts_.recorder.ended(operation.sequence, parts_.clock.unix_seconds());
  return true;
}

std::optional<std::string> Watchdog::poll() {
  const std::lock_guard lock(mutex_);
  while (!watched_.empty() && advance(watched_.front())) watched_.pop_front();
  // Only then what is wrong: an operation that is done is done, whatever has become of its peers since.
  if (const std::string failure = parts_.failure(); !failure.empty()) return failure;
  if (watched_.empty()) return std::nullopt;
  Watched& first = watched_.front();
  const std::string what = fmt::format("operation {} on the device ({} bytes)", first.sequence, first.bytes);
  if (const std::string failure = first.marks->failure(); !failure.empty()) return fmt::format("{} failed: {}", what, failure);
  // The time counts from its beginning on the device: what it waits for before is the device's own work, and no peer's fault.
  const double now = parts_.clock.seconds();
  if (first.started_at && now - *first.started_at >= parts_.deadline_seconds)
    return fmt::format("{} has begun {:.1f} s ago and is not over (cuda.collective_seconds: {:g})", what, now - *first.started_at,
                       parts_.deadline_seconds);
  return std::nullopt;
}

}  // namespace holdfast
