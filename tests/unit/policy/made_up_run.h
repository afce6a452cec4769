// A run that only decides: the state after each step is what decide() says of it.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/policy/policy.h"

namespace holdfast {

class MadeUpRun {
 public:
  explicit MadeUpRun(std::vector<CheckpointOptions> policy) : policy_(std::move(policy)) {}

  void step(std::optional<double> loss = {}) { take(1, loss ? Metrics{{"val_loss", *loss}} : Metrics{}, false); }
  void step(const std::map<std::string, double>& metrics) { take(1, metrics, false); }
  void last_step(std::optional<double> loss = {}) { take(1, loss ? Metrics{{"val_loss", *loss}} : Metrics{}, true); }
  void batch_without_update() { take(0, {}, false); }
  /// The epoch of the newest batch is over.
  void end_epoch() {
    Boundary boundary = here();
    boundary.step.epochs_after = ++epochs_;
    decide_on(boundary);
  }
  void validate_again(double loss) {
    Boundary boundary = here();
    boundary.has_validated = true;
    boundary.metrics = {{"val_loss", loss}};
    decide_on(boundary);
  }
  void interrupt(Interruption why) {
    Boundary boundary = here();
    boundary.interruption = why;
    decide_on(boundary);
  }
  void at(double minutes) { minutes_ = minutes; }
  /// From the newest state, as a restart does; perhaps with another policy.
  void resume(std::vector<CheckpointOptions> policy = {}) {
    if (!policy.empty()) policy_ = std::move(policy);
    notes_.clear();
    const std::optional<PolicyState> recorded = policy_state_from_json(to_json(state_));
    state_ = take_over(policy_, {.recorded = recorded, .resumed = state_.newest, .other_run = "", .present = state_.states, .names = {}},
                       notes_);
    epoch_ = state_.position.epoch;
    batch_ = state_.position.batch;
    step_ = state_.position.step;
  }

  std::vector<CheckpointOptions>& policy() { return policy_; }
  const PolicyState& state() const { return state_; }
  const Decision& decision() const { return decision_; }
  /// Of the newest resume.
  const std::vector<std::string>& notes() const { return notes_; }
  const EntryState& entry(const std::string& name) const {
    return *std::find_if(state_.entries.begin(), state_.entries.end(), [&](const EntryState& entry) { return entry.entry == name; });
  }
  std::vector<std::int64_t> states() const {
    std::vector<std::int64_t> steps;
    for (const CheckpointName& state : state_.states) steps.push_back(state.step);
    return steps;
  }
  std::string names() const {
    std::string names;
    for (const auto& [path, state] : state_.links()) names += (names.empty() ? "" : " ") + path;
    return names;
  }

 private:
  using Metrics = std::map<std::string, double>;

  Boundary here() const {
    return {.position = {epoch_, batch_, step_}, .step = {step_, step_, epochs_, epochs_, false}, .minutes = minutes_};
  }
  void take(std::int64_t updates, const Metrics& metrics, bool is_last) {
    ++batch_;
    epoch_ = epochs_;
    step_ += updates;
    Boundary boundary = here();
    boundary.step.step_before = step_ - updates;
    boundary.step.is_last = is_last;
    boundary.has_validated = !metrics.empty();
    boundary.metrics = metrics;
    decide_on(boundary);
  }
  void decide_on(const Boundary& boundary) {
    decision_ = decide(policy_, state_, boundary);
    state_ = decision_.next;
  }

  std::vector<CheckpointOptions> policy_;
  PolicyState state_;
  Decision decision_;
  std::vector<std::string> notes_;
  std::int64_t epoch_ = 0, batch_ = 0, step_ = 0, epochs_ = 0;
  double minutes_ = 0;
};

}  // namespace holdfast
