#include "base/progress_bar.h"

#include <sys/ioctl.h>

#include <fmt/format.h>

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::int64_t kWidest = 28, kNarrowest = 5;

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, seconds));
  return whole >= 3600 ? fmt::format("{}:{:02d}:{:02d}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02d}", whole / 60, whole % 60);
}

}  // namespace

std::string progress_bar(const ProgressFacts& facts, const std::string& note, int columns) {
  const double rate = facts.steps_per_second;
  const std::string left = rate > 0 ? duration_text(static_cast<double>(facts.last_step - facts.step) / rate) : "-:--";
  std::string text = fmt::format("{}/{}  {:.1f} steps/s  {:.0f} samples/s  loss {:.4f}  {} left{}", facts.step, facts.last_step, rate,
                                 facts.samples_per_second, facts.loss, left, note);
  const std::int64_t room = columns - 1;
  const std::int64_t width = std::min(kWidest, room - 3 - static_cast<std::int64_t>(text.size()));
  if (width >= kNarrowest) {
    const std::int64_t filled = facts.last_step > 0 ? std::clamp<std::int64_t>(width * facts.step / facts.last_step, 0, width) : 0;
    text = fmt::format("[{}{}] {}", std::string(static_cast<std::size_t>(filled), '#'),
                       std::string(static_cast<std::size_t>(width - filled), '.'), text);
  }
  return text.substr(0, static_cast<std::size_t>(std::max<std::int64_t>(room, 0)));
}

int terminal_columns(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace holdfast
