#include "launch/watch/stragglers.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace holdfast {
namespace {

constexpr std::size_t kParts = 4;
constexpr double kLeastShare = 0.1;     // of the run's time
constexpr double kSilenceSeconds = 60;  // between two namings of one rank in an attempt

/// For each of two values or more the median of the others. Of thousands of ranks every one is asked for: sorted once.
std::vector<double> medians_of_others(const std::vector<double>& values) {
  const std::size_t others = values.size() - 1;
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> medians(values.size());
  for (std::size_t place = 0; place < order.size(); ++place) {
    const auto other = [&](std::size_t number) { return values[order[number < place ? number : number + 1]]; };
    medians[order[place]] = others % 2 == 1 ? other(others / 2) : (other(others / 2) + other(others / 2 - 1)) / 2;
  }
  return medians;
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
  behind_ = newest_.size();
  part_begin_.clear();
  is_warm_ = false;
  parts_.clear();
  named_.clear();
  quiet_until_.clear();
}

std::vector<StragglerFinding> Stragglers::on(int rank, std::int64_t step, double busy_seconds, double now) {
  if (!factor_ || newest_.size() < 2 || rank < 0 || rank >= static_cast<int>(newest_.size()) || step <= 0) return {};
  take_reading(static_cast<std::size_t>(rank), {step, busy_seconds});
  if (part_begin_.empty()) {
    if (behind_ == 0) begin_part(now);
    return {};
  }
  if (!is_part_over(now)) return {};
  close_part(now);
  return parts_.size() < kParts ? std::vector<StragglerFinding>{} : judge(now);
}

bool Stragglers::is_behind(std::size_t rank) const {
  return part_begin_.empty() ? newest_[rank].step == 0 : newest_[rank].step - part_begin_[rank].step < kPartSteps;
}

/// With every word of every rank: not the time to look at all of them.
void Stragglers::take_reading(std::size_t rank, const Reading& reading) {
  const bool was_behind = is_behind(rank);
  newest_[rank] = reading;
  if (was_behind && !is_behind(rank)) --behind_;
  if (!was_behind && is_behind(rank)) ++behind_;
}

void Stragglers::begin_part(double now) {
  part_begin_ = newest_;
  part_began_at_ = now;
  behind_ = newest_.size();
}

void Stragglers::close_part(double now) {
  Part part{.ranks = newest_, .seconds = now - part_began_at_};
  for (std::size_t i = 0; i < newest_.size(); ++i) {
    part.ranks[i].step -= part_begin_[i].step;
    part.ranks[i].busy_seconds -= part_begin_[i].busy_seconds;
  }
  begin_part(now);
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
  const std::vector<double> total = seconds_per_step(0, kParts - 1), median = medians_of_others(total);
  std::vector<std::vector<double>> by_part, median_by_part;
  double seconds = 0;
  for (std::size_t i = 0; i < kParts; ++i) {
    by_part.push_back(seconds_per_step(i, i));
    median_by_part.push_back(medians_of_others(by_part.back()));
    seconds += parts_[i].seconds;
  }
  std::vector<StragglerFinding> findings;
  for (std::size_t rank = 0; rank < total.size(); ++rank) {
    const double others = median[rank], factor = others > 0 ? total[rank] / others : 1;
    std::int64_t steps = 0;
    for (const Part& part : parts_) steps += part.ranks[rank].step;
    bool is_slow_in_each = true;
    for (std::size_t i = 0; i < kParts; ++i) is_slow_in_each = is_slow_in_each && by_part[i][rank] >= clearly * median_by_part[i][rank];
    const bool is_slow =
        factor >= *factor_ && is_slow_in_each && (total[rank] - others) * static_cast<double>(steps) >= kLeastShare * seconds;
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
