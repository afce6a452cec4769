// Log lines with time, rank and step: "14:03:22.123 [rank 1 step 137] info: text". Thread-safe after set_up_log.
// Not the progress bar and not metrics: those are base/progress_bar.h and trainer/metrics/metrics_log.h.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

enum class LogLevel { debug, info, warning, error };

/// Sends log lines to stderr. `who` stands in front of each line: "rank 1", "supervisor". Call once, before any thread.
void set_up_log(std::string who, LogLevel lowest = LogLevel::info);

/// The step shown in later lines; negative: none.
void set_log_step(std::int64_t step);

void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace holdfast
