// Ends a run when it has trained for so long, over all its attempts. Neither time between attempts
// counts, nor what a failure took back: the time goes on from that of the restored state.
#pragma once

#include <fmt/format.h>

#include "options/field.h"
#include "trainer/callback.h"

namespace holdfast {

struct TimeLimitOptions {
  double minutes = 60;
  void describe(FieldVisitor& visitor) {
    visitor.field({.name = "minutes", .doc = "How long the run may train.", .unit = "minutes", .min = 0, .min_is_excluded = true}, minutes);
  }
};

class TimeLimit final : public Callback {
 public:
  explicit TimeLimit(const TimeLimitOptions& options) : limit_seconds_(60 * options.minutes) {}
  void on_fit_start(const RunView& run, Communicator& ranks) override {
    start_ = run.clock.seconds() - seconds_;
    is_asked_ = ranks.rank() == 0;  // whose state is stored: a restored run has to come to the same answer
  }
  void on_step_end(const RunView& run, const StepFacts&, Communicator&) override { seconds_ = run.clock.seconds() - start_; }
  bool may_end() const override { return true; }
  std::optional<std::string> end_reason() const override {
    if (!is_asked_ || seconds_ < limit_seconds_) return std::nullopt;
    return fmt::format("it has trained for {:.0f} s of {:.0f}", seconds_, limit_seconds_);
  }
  nlohmann::json state() const override { return seconds_; }
  void restore(const nlohmann::json& state) override { seconds_ = state.get<double>(); }

 private:
  double limit_seconds_, seconds_ = 0, start_ = 0;
  bool is_asked_ = false;
};

}  // namespace holdfast
