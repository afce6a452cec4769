#include "trainer/bad_numbers/bad_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/median.h"

namespace holdfast {
namespace {

constexpr double kToStandardDeviation = 1.4826;  // of the median distance, for normal numbers
constexpr double kLeastDeviation = 0.01;         // of the median: losses that hardly differ are no reason to call the next one a spike

double mean_loss(const Vote& facts) { return facts.loss_sum / static_cast<double>(facts.count); }

}  // namespace

LossLevel level_of(std::span<const double> losses) {
  LossLevel level{.median = median({losses.begin(), losses.end()})};
  std::vector<double> distances;
  for (const double loss : losses) distances.push_back(std::abs(loss - level.median));
  level.deviation = std::max(kToStandardDeviation * median(std::move(distances)), kLeastDeviation * std::abs(level.median));
  return level;
}

std::optional<BadUpdate> judge(const Vote& facts, const TrainerOptions& options, const std::vector<double>& recent) {
  if (is_set(facts.nonfinite_rank))
    return BadUpdate{options.on_nonfinite, facts.nonfinite_rank,
                     fmt::format("the loss or the gradient is not finite on rank {}", facts.nonfinite_rank)};
  if (facts.is_nonfinite != 0 || !std::isfinite(facts.loss_sum))
    return BadUpdate{options.on_nonfinite, -1,
                     "the sum over the ranks, or the norm of its gradient, is not finite, though what each rank adds is"};
  const LossSpikeOptions& spike = options.loss_spike;
  if (!spike.factor || facts.count <= 0 || static_cast<std::int64_t>(recent.size()) < spike.window) return std::nullopt;
  const LossLevel level = level_of(recent);
  const double loss = mean_loss(facts), height = loss - level.median;
  if (height <= *spike.factor * level.deviation) return std::nullopt;
  return BadUpdate{spike.action, -1,
                   fmt::format("the loss is {:.6g}; the median of the {} updates before is {:.6g}, their deviation {:.3g}", loss,
                               recent.size(), level.median, level.deviation)};
}

void remember_loss(std::vector<double>& recent, const Vote& facts, const LossSpikeOptions& options) {
  if (!options.factor) {
    recent.clear();
    return;
  }
  if (facts.count > 0) recent.push_back(mean_loss(facts));
  const auto excess = static_cast<std::int64_t>(recent.size()) - options.window;
  if (excess > 0) recent.erase(recent.begin(), recent.begin() + excess);
}

}  // namespace holdfast
