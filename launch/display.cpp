#include "launch/display.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/progress_bar.h"

namespace holdfast {
namespace {

constexpr std::size_t kRecentLines = 20;
constexpr const char* kEraseLine = "\r\033[K";

/// A number that is not finite travels as null.
double number(const nlohmann::json& status, const char* key) {
  const auto found = status.find(key);
  return found != status.end() && found->is_number() ? found->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

/// `is_error_told`: it stands above the table already.
std::string end_of(const AttemptOutcome& outcome, bool is_error_told) {
  std::optional<ExitRecord> cause = cause_of(outcome);
  if (outcome.is_done) return "finished";
  if (outcome.was_kill_requested) return "killed on request";
  if (!cause && outcome.was_stop_requested) return "stopped on request";
  if (cause && is_error_told) cause->error.clear();
  return first_line(cause ? describe(*cause) : describe_end(outcome));
}

}  // namespace

void Display::line(const std::string& text) {
  recent_.push_back(text);
  if (recent_.size() > kRecentLines) recent_.pop_front();
  output_.write(fmt::format("{}{}\n{}", bar_.empty() ? "" : kEraseLine, text, bar_));
}

void Display::status(const nlohmann::json& status, int attempt, int restarts) {
  if (!is_terminal_ || output_.is_behind()) return;
  const ProgressFacts facts{.step = status.value("global_step", std::int64_t{0}),
                            .last_step = status.value("last_step", std::int64_t{0}),
                            .steps_per_second = number(status, "steps_per_second"),
                            .samples_per_second = number(status, "samples_per_second"),
                            .loss = number(status, "loss")};
  const std::string note =
      fmt::format("  attempt {}{}", attempt, restarts > 0 ? fmt::format(", {} restart{}", restarts, restarts == 1 ? "" : "s") : "");
  bar_ = progress_bar(facts, note, terminal_columns(fd_));
  output_.write(kEraseLine + bar_);
}

bool Display::has_just_shown(const std::string& text) const {
  return std::any_of(recent_.begin(), recent_.end(), [&](const std::string& line) { return line.find(first_line(text)) != line.npos; });
}

void Display::clear() {
  if (!bar_.empty()) output_.write(kEraseLine);
  bar_.clear();
}

std::string summary_table(const std::vector<AttemptOutcome>& outcomes, const RestartDecision& decision, std::int64_t reached_before,
                          double seconds, const nlohmann::json& done) {
  std::int64_t recomputed = 0;
  if (!outcomes.empty() && outcomes[0].has_resumed)
    recomputed = std::max<std::int64_t>(0, reached_before - std::max<std::int64_t>(0, outcomes[0].durable_before));
  std::string text = fmt::format("{:>8}  {:>12}  {:>12}  {}\n", "attempt", "from step", "reached", "end");
  for (const AttemptOutcome& outcome : outcomes) {
    recomputed += lost_steps(outcome);
    const auto step = [&](std::int64_t number) { return outcome.has_resumed ? std::to_string(std::max<std::int64_t>(number, 0)) : "-"; };
    text += fmt::format("{:>8}  {:>12}  {:>12}  {}\n", outcome.attempt, step(outcome.durable_before), step(outcome.reached_step),
                        end_of(outcome, decision.kind == RestartDecision::Kind::give_up));
  }
  text += fmt::format("{}: {} attempt{}, {} restart{}, {} steps recomputed, {:.1f} s",
                      decision.kind == RestartDecision::Kind::done ? "finished" : "ended", outcomes.size(), outcomes.size() == 1 ? "" : "s",
                      outcomes.size() - 1, outcomes.size() == 2 ? "" : "s", recomputed, seconds);
  if (done.contains("parameter_hash"))
    text +=
        fmt::format(", step {}, parameter hash {}", done.value("global_step", std::int64_t{0}), done["parameter_hash"].get<std::string>());
  return text;
}

}  // namespace holdfast
