// What the loop counts: small, equal on every rank, stored as JSON in every manifest. Doubles survive the round trip exactly.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/optimization/plateau.h"
#include "trainer/precision/gradient_scaler.h"

namespace holdfast {

/// One finished validation.
struct ValidationRecord {
  std::int64_t step = 0;
  std::map<std::string, double> metrics;  // loss (mean), and what the task measures
  std::string weights = {};               // the average that was measured; empty: the model's own
};

/// Positions in the data: the samples that come after `first` others of the run, up to `end`.
struct SampleRange {
  std::int64_t first = 0, end = 0;
  auto operator<=>(const SampleRange&) const = default;
};

struct RunState {
  std::int64_t global_step = 0;   // completed updates; with several optimizers: batches in which anything stepped
  std::int64_t batch_index = 0;   // consumed global batches
  std::int64_t samples_seen = 0;  // position in the data: the next sample of the run
  double window_loss_sum = 0;     // since the last line of metrics
  std::int64_t window_count = 0;
  std::map<std::string, std::int64_t> optimizer_updates;
  std::vector<ValidationRecord> validations;
  std::map<std::string, Plateau> plateaus;              // by the name of the schedule
  nlohmann::json callbacks = nlohmann::json::object();  // their states, as of the newest update
  std::vector<SampleRange> left_out;                    // of updates that were not made because of bad numbers; all lie behind
  std::int64_t left_out_in_a_row = 0;                   // updates that were not made since the last one that was
  std::optional<GradientScale> gradient_scale;          // where a scaler is on, or was in the run
  double gradient_seed = 1;                             // manual optimization: what gradients that wait for an update are multiples of
  std::vector<double> recent_losses;                    // of the newest updates, where spikes are looked for
  bool owes_validation = false;  // one is due at global_step: a run that is asked to stop leaves it to the next start
};

/// Where an update began: what it has crossed is told from this.
struct StepStart {
  std::int64_t global_step = 0, samples_seen = 0;
};
inline StepStart start_of(const RunState& state) { return {state.global_step, state.samples_seen}; }

/// Under the names that triggers and callbacks know: val_loss, ...
std::map<std::string, double> metrics_of(const ValidationRecord& record);

nlohmann::json to_json(const std::vector<SampleRange>& ranges);
/// Throws nlohmann::json::exception or std::invalid_argument.
std::vector<SampleRange> ranges_from_json(const nlohmann::json& stored);
nlohmann::json to_json(const RunState& state);
/// Throws nlohmann::json::exception or std::invalid_argument when a field is missing or of another type.
RunState run_state_from_json(const nlohmann::json& json);

}  // namespace holdfast
