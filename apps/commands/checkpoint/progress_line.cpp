#include "apps/commands/checkpoint/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace holdfast {
namespace {

constexpr double kRedrawSeconds = 0.1, kLineSeconds = 10;

}  // namespace

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)), is_terminal_(::isatty(STDERR_FILENO) == 1), shown_at_(is_terminal_ ? 0 : clock_.seconds()) {}

ProgressLine::~ProgressLine() {
  if (is_drawn_) fmt::print(stderr, "\r\033[K");
}

void ProgressLine::show(std::uint64_t done, std::uint64_t total) {
  const double now = clock_.seconds();
  if (total == 0 || now - shown_at_ < (is_terminal_ ? kRedrawSeconds : kLineSeconds)) return;
  shown_at_ = now;
  is_drawn_ = is_terminal_;
  const std::string text = fmt::format("{}: {:.0f} % of {:.1f} MB", what_, 100.0 * static_cast<double>(done) / static_cast<double>(total),
                                       static_cast<double>(total) / 1e6);
  fmt::print(stderr, "{}", is_terminal_ ? "\r" + text + "\033[K" : text + "\n");
}

}  // namespace holdfast
