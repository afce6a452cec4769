#include "launch/display.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast {
namespace {

constexpr const char* kEraseLine = "\r\033[K";

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, seconds));
  return whole >= 3600 ? fmt::format("{}:{:02d}:{:02d}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02d}", whole / 60, whole % 60);
}

}  // namespace

void Display::line(const std::string& text) { output_.write(fmt::format("{}{}\n{}", bar_.empty() ? "" : kEraseLine, text, bar_)); }

void Display::status(const nlohmann::json& status, int attempt, int restarts) {
  if (!is_terminal_ || output_.is_behind()) return;
  constexpr int kWidth = 28;
  const auto step = status.value("global_step", std::int64_t{0}), last = status.value("last_step", std::int64_t{0});
  const double rate = status.value("steps_per_second", 0.0);
  const auto filled = static_cast<std::size_t>(last > 0 ? std::clamp<std::int64_t>(kWidth * step / last, 0, kWidth) : 0);
  bar_ = fmt::format("[{}{}] {}/{}  {:.1f} steps/s  {:.0f} samples/s  loss {:.4f}  {} left  attempt {}{}", std::string(filled, '#'),
                     std::string(kWidth - filled, '.'), step, last, rate, status.value("samples_per_second", 0.0),
                     status.value("loss", 0.0), rate > 0 ? duration_text(static_cast<double>(last - step) / rate) : "-:--", attempt,
                     restarts > 0 ? fmt::format(", {} restart{}", restarts, restarts == 1 ? "" : "s") : "");
  output_.write(kEraseLine + bar_);
}

void Display::clear() {
  if (!bar_.empty()) output_.write(kEraseLine);
  bar_.clear();
}

std::string summary_table(const std::vector<AttemptOutcome>& outcomes, const Decision& decision, double seconds,
                          const nlohmann::json& done) {
  std::int64_t recomputed = 0;
  std::string text = fmt::format("{:>8}  {:>12}  {:>12}  {}\n", "attempt", "from step", "reached", "end");
  for (const AttemptOutcome& outcome : outcomes) {
    const std::optional<ExitRecord> cause = cause_of(outcome);
    recomputed += lost_steps(outcome);
    text +=
        fmt::format("{:>8}  {:>12}  {:>12}  {}\n", outcome.attempt, std::max<std::int64_t>(outcome.durable_before, 0), outcome.reached_step,
                    outcome.is_done                        ? "finished"
                    : !cause && outcome.was_stop_requested ? "stopped on request"
                                                           : describe_end(outcome));
  }
  text += fmt::format("{}: {} attempt{}, {} restart{}, {} steps recomputed, {:.1f} s",
                      decision.kind == Decision::Kind::done ? "finished" : "ended", outcomes.size(), outcomes.size() == 1 ? "" : "s",
                      outcomes.size() - 1, outcomes.size() == 2 ? "" : "s", recomputed, seconds);
  if (done.contains("parameter_hash"))
    text +=
        fmt::format(", step {}, parameter hash {}", done.value("global_step", std::int64_t{0}), done["parameter_hash"].get<std::string>());
  return text;
}

}  // namespace holdfast
