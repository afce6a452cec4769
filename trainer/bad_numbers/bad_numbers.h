// Whether the numbers of an update are bad, and what is to become of it: a pure function of what all ranks know, so that all come to the
// same answer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dist/vote.h"
#include "options/run_options.h"

namespace holdfast {

struct BadUpdate {
  BadNumbers action;
  int rank;          // whose numbers they are; -1: of no rank alone
  std::string what;  // "the gradient is not finite on rank 1"
};

/// Median, and the deviation that a loss is measured in (LossSpikeOptions::factor). `losses`: at least one.
struct LossLevel {
  double median = 0, deviation = 0;
};
LossLevel level_of(std::span<const double> losses);

/// `recent`: losses of the newest updates that were made. nullopt: nothing is bad.
std::optional<BadUpdate> judge(const Vote& facts, const TrainerOptions& options, const std::vector<double>& recent);

/// Takes in the loss of an update that is made.
void remember_loss(std::vector<double>& recent, const Vote& facts, const LossSpikeOptions& options);

}  // namespace holdfast
