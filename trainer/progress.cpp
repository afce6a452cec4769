#include "trainer/progress.h"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/progress_bar.h"

namespace holdfast {
Progress::Progress(const Clock& clock, Heartbeat* heartbeat, Style style, std::int64_t first_step, std::int64_t last_step)
    : clock_(clock), heartbeat_(heartbeat), style_(style), step_(first_step), last_step_(last_step) {
  window_start_ = shown_since_ = clock_.seconds();
  if (heartbeat_) {
    heartbeat_->block().global_step = first_step;
    heartbeat_->block().last_step = last_step;
  }
}

void Progress::update(std::int64_t step, std::int64_t samples, double loss) {
  window_steps_ += step - step_;
  shown_steps_ += step - step_;
  window_samples_ += samples;
  shown_samples_ += samples;
  step_ = step;
  loss_ = loss;
  const double now = clock_.seconds();
  if (now - shown_since_ >= 1.0) {
    shown_ = {static_cast<double>(shown_steps_) / (now - shown_since_), static_cast<double>(shown_samples_) / (now - shown_since_)};
    shown_since_ = now;
    shown_steps_ = shown_samples_ = 0;
  }
  if (heartbeat_) {
    HeartbeatBlock& block = heartbeat_->block();
    block.global_step = step;
    block.loss = loss;
    block.steps_per_second = shown_.steps_per_second;
    block.samples_per_second = shown_.samples_per_second;
  }
  if (style_ == Style::bar && now - drawn_at_ >= 0.1) draw(now);
}

Progress::Rates Progress::take_rates() {
  const double now = clock_.seconds(), seconds = std::max(1e-9, now - window_start_);
  const Rates rates{static_cast<double>(window_steps_) / seconds, static_cast<double>(window_samples_) / seconds};
  window_start_ = now;
  window_steps_ = window_samples_ = 0;
  return rates;
}

void Progress::draw(double now) {
  drawn_at_ = now;
  const std::string bar =
      progress_bar({step_, last_step_, shown_.steps_per_second, shown_.samples_per_second, loss_}, "", terminal_columns(STDOUT_FILENO));
  fmt::print("\r\033[K{}", bar);
  std::fflush(stdout);
}

void Progress::print(const std::string& line) {
  if (style_ == Style::none) return;
  fmt::print("{}{}\n", style_ == Style::bar ? "\r\033[K" : "", line);
  if (style_ == Style::bar) draw(clock_.seconds());
  std::fflush(stdout);
}

void Progress::finish() {
  if (style_ == Style::bar) fmt::print("\r\033[K");
  std::fflush(stdout);
}

bool is_stdout_a_terminal() {
  if (!::isatty(STDOUT_FILENO)) return false;
  if (!std::getenv("OMPI_COMM_WORLD_RANK")) return true;
  const int parent = ::open(fmt::format("/proc/{}/fd/1", ::getppid()).c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (parent < 0) return false;
  const bool is_terminal = ::isatty(parent);
  ::close(parent);
  return is_terminal;
}

}  // namespace holdfast
