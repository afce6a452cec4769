#include "trainer/stopping/stop_sources.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "trainer/stopping/stop_request.h"

namespace holdfast {
namespace {

constexpr double kLookSeconds = 1;     // from one look for the file to the next: it may lie on a slow file system
constexpr double kNeededFactor = 1.5;  // the next update and save may take longer than those that were seen

}  // namespace

const std::optional<StopSources::Reason>& StopSources::reason(double needed_seconds) {
  if (!reason_) reason_ = look(needed_seconds);
  return reason_;
}

std::optional<StopSources::Reason> StopSources::look(double needed_seconds) {
  if (is_stop_requested()) return Reason{"a signal asked for it", false};
  const double now = clock_.unix_seconds();
  for (const Deadline& deadline : deadlines_) {
    const double margin = std::max(deadline.least_margin_seconds, kNeededFactor * needed_seconds);
    if (now >= deadline.unix_seconds - margin)
      return Reason{fmt::format("{} in {:.1f} s", deadline.what, std::max(0.0, deadline.unix_seconds - now)), true};
  }
  if (is_stop_file_due()) return Reason{"the file " + stop_file_.string() + " asked for it", true};
  return std::nullopt;
}

bool StopSources::is_stop_file_due() {
  const double now = clock_.seconds();
  if (looked_at_ >= 0 && now - looked_at_ < kLookSeconds) return false;
  looked_at_ = now;
  return is_stop_file_there();
}

bool StopSources::is_stop_file_there() const try {
  return !stop_file_.empty() && files_.kind(stop_file_) != FileKind::none;
} catch (const StorageError&) {
  return false;  // a directory that cannot be looked into now asks for nothing
}

void StopSources::obeyed() try {
  if (is_stop_file_there()) files_.remove_file(stop_file_);
} catch (const StorageError& error) {
  log_warning("the next start will stop at once: {}", error.what());
}

}  // namespace holdfast
