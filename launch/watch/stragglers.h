// Which rank is slower than the others: from what each needs for its own part of a step, without the collectives, in which all wait for the
// slowest. Pure: told what ranks say and what time it is. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast {

/// A rank that became slow, or is no longer.
struct StragglerFinding {
  int rank = 0;
  bool is_over = false;
  double factor = 1;  // its own seconds a step over the median of the others'
  double seconds_per_step = 0, median_seconds_per_step = 0;
  std::int64_t step = 0;
};

/// "rank 3 on b is slow: 1.52 times the median of the others (0.152 s of its own a step against 0.100 s)"
std::string describe(const StragglerFinding& finding, const std::string& host);
/// The fields of a line of the journal.
nlohmann::json to_json(const StragglerFinding& finding, const std::string& host);

/// A rank is named when, over the last four parts of 4 steps or more each (and 0.35 s or more), it took `factor` times the median of the
/// others, in each of the parts it was more than half of that slower, and it holds up the run by a tenth or more. So a single
/// long pause names nobody, and steps of 0.1 s or more need 20 of them.
class Stragglers {
 public:
  /// nullopt: nobody is ever named.
  explicit Stragglers(std::optional<double> factor) : factor_(factor) {}
  /// An attempt begins.
  void begin(int world_size);
  /// `busy_seconds`: what the rank has needed, from its begin, for the steps until `step`.
  std::vector<StragglerFinding> on(int rank, std::int64_t step, double busy_seconds, double now);

 private:
  struct Reading {
    std::int64_t step = 0;
    double busy_seconds = 0;
  };
  struct Part {
    std::vector<Reading> ranks;  // what was added in it
    double seconds = 0;
  };
  void take_reading(std::size_t rank, const Reading& reading);
  bool is_part_over(double now) const { return now - part_began_at_ >= kPartSeconds && behind_ == 0; }
  void begin_part(double now);
  void close_part(double now);
  std::vector<StragglerFinding> judge(double now);
  /// Of every rank, over the parts from `first` to `last`.
  std::vector<double> seconds_per_step(std::size_t first, std::size_t last) const;

  static constexpr std::int64_t kPartSteps = 4;
  static constexpr double kPartSeconds = 0.35;
  bool is_behind(std::size_t rank) const;

  std::optional<double> factor_;
  std::vector<Reading> newest_, part_begin_;
  std::size_t behind_ = 0;  // ranks that have not made their steps of this part; before the first one: that have not spoken
  double part_began_at_ = 0;
  bool is_warm_ = false;  // the first part, with all that is done once, is over
  std::deque<Part> parts_;
  std::set<int> named_;
  std::map<int, double> quiet_until_;  // of ranks that were named before
};

}  // namespace holdfast
