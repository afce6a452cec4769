#include "launch/stragglers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/median.h"

namespace holdfast {
namespace {

constexpr std::int64_t kPartSteps = 4;
constexpr double kPartSeconds = 0.35;
constexpr std::size_t kParts = 4;
constexpr double kLeastShare = 0.1;     // of the run's time
constexpr double kSilenceSeconds = 60;  // between two namings of one rank in an attempt

double median_of_others(std::vector<double> values, std::size_t rank) {
  values.erase(values.begin() + static_cast<std::ptrdiff_t>(rank));
  return median(std::move(values));
}

}  // namespace

std::string describe(const StragglerFinding& finding, const std::string& host) {
  return fmt::format("rank {} on {} {}: {:.2f} times the median of the others ({:.4g} s of its own a step against {:.4g} s), step {}",
                     finding.rank, host, finding.is_over ? "is no longer slow" : "is slow", finding.factor, finding.seconds_per_step,
                     finding.median_seconds_per_step, finding.step);
}

nlohmann::json to_json(const StragglerFinding& finding, const std::string& host) {
  return {{"rank", finding.rank},
          {"host", host},
          {"factor", finding.factor},
          {"seconds_per_step", finding.seconds_per_step},
          {"median_seconds_per_step", finding.median_seconds_per_step},
          {"step", finding.step}};
}

void Stragglers::begin(int world_size) {
  newest_.assign(static_cast<std::size_t>(world_size), {});
  part_begin_.clear();
  is_warm_ = false;
  parts_.clear();
  named_.clear();
  quiet_until_.clear();
}

std::vector<StragglerFinding> Stragglers::on(int rank, std::int64_t step, double busy_seconds, double now) {
  if (!factor_ || newest_.size() < 2 || rank < 0 || rank >= static_cast<int>(newest_.size()) || step <= 0) return {};
  newest_[static_cast<std::size_t>(rank)] = {step, busy_seconds};
  if (part_begin_.empty()) {
    if (std::any_of(newest_.begin(), newest_.end(), [](const Reading& reading) { return reading.step == 0; })) return {};
    part_begin_ = newest_;
    part_began_at_ = now;
    return {};
  }
  if (!is_part_over(now)) return {};
  close_part(now);
  return parts_.size() < kParts ? std::vector<StragglerFinding>{} : judge(now);
}

bool Stragglers::is_part_over(double now) const {
  if (now - part_began_at_ < kPartSeconds) return false;
  for (std::size_t i = 0; i < newest_.size(); ++i)
    if (newest_[i].step - part_begin_[i].step < kPartSteps) return false;
  return true;
}

void Stragglers::close_part(double now) {
  Part part{.ranks = newest_, .seconds = now - part_began_at_};
  for (std::size_t i = 0; i < newest_.size(); ++i) {
    part.ranks[i].step -= part_begin_[i].step;
    part.ranks[i].busy_seconds -= part_begin_[i].busy_seconds;
  }
  part_begin_ = newest_;
  part_began_at_ = now;
  if (!std::exchange(is_warm_, true)) return;
  parts_.push_back(std::move(part));
  if (parts_.size() > kParts) parts_.pop_front();
}

std::vector<double> Stragglers::seconds_per_step(std::size_t first, std::size_t last) const {
  std::vector<double> all;
  for (std::size_t rank = 0; rank < newest_.size(); ++rank) {
    Reading sum;
    for (std::size_t i = first; i <= last; ++i) {
      sum.step += parts_[i].ranks[rank].step;
      sum.busy_seconds += parts_[i].ranks[rank].busy_seconds;
    }
    all.push_back(sum.busy_seconds / static_cast<double>(sum.step));
  }
  return all;
}

std::vector<StragglerFinding> Stragglers::judge(double now) {
  const double clearly = 1 + (*factor_ - 1) / 2;
  const std::vector<double> total = seconds_per_step(0, kParts - 1);
  std::vector<std::vector<double>> by_part;
  double seconds = 0;
  for (std::size_t i = 0; i < kParts; ++i) {
    by_part.push_back(seconds_per_step(i, i));
    seconds += parts_[i].seconds;
  }
  std::vector<StragglerFinding> findings;
  for (std::size_t rank = 0; rank < total.size(); ++rank) {
    const double others = median_of_others(total, rank), factor = others > 0 ? total[rank] / others : 1;
    std::int64_t steps = 0;
    for (const Part& part : parts_) steps += part.ranks[rank].step;
    const auto is_slow_in = [&](const std::vector<double>& part) { return part[rank] >= clearly * median_of_others(part, rank); };
    const bool is_slow = factor >= *factor_ && std::all_of(by_part.begin(), by_part.end(), is_slow_in) &&
                         (total[rank] - others) * static_cast<double>(steps) >= kLeastShare * seconds;
    const int number = static_cast<int>(rank);
    const bool is_named = named_.count(number) > 0;
    if (is_named == (is_named ? factor >= clearly : is_slow)) continue;
    if (!is_named && quiet_until_.count(number) && now < quiet_until_[number]) continue;
    findings.push_back({number, is_named, factor, total[rank], others, newest_[rank].step});
    if (is_named) {
      named_.erase(number);
    } else {
      named_.insert(number);
      quiet_until_[number] = now + kSilenceSeconds;
    }
  }
  return findings;
}

}  // namespace holdfast
