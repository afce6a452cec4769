// Where the wall time of a supervised run went, from its journal and what its ranks left: pure, but for the function that reads the latter.
// Every number is a difference of two readings of a clock around what it is of; none is the rest of another.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/times_file.h"
#include "checkpoint/format/layout.h"

namespace holdfast {

enum class RunCause { useful, startup, restore, recomputed, data, collectives, checkpoint, validation, hang, restart, finish };
inline constexpr std::size_t kRunCauses = 11;
using Seconds = std::array<double, kRunCauses>;

/// "useful steps", for people; "useful_steps", for programs.
std::string_view title_of(RunCause cause);
std::string key_of(RunCause cause);

struct RankAccount {
  int rank = 0;
  std::string host;  // of its newest attempt
  Seconds seconds{};
  double busy_seconds = 0;     // for its own part of steps, without the collectives
  double waiting_seconds = 0;  // in the collectives of steps
  std::int64_t steps = 0;      // that it has computed, also those computed again
  double seconds_per_step() const { return steps > 0 ? busy_seconds / static_cast<double>(steps) : 0; }
  double waiting_per_step() const { return steps > 0 ? waiting_seconds / static_cast<double>(steps) : 0; }
};

struct AttemptAccount {
  int attempt = 0;
  int start = 0;              // of the supervisor, from 1
  double begin = 0, end = 0;  // unix seconds
  std::int64_t from_step = -1, reached_step = 0, recomputed_steps = 0;
  bool has_ended = false, is_done = false;
  std::string reason;
};

struct Account {
  double wall_seconds = 0;  // of all supervised runs in the journal, without the time between them
  Seconds seconds{};        // mean over the ranks
  std::vector<RankAccount> ranks;
  std::vector<AttemptAccount> attempts;
  bool is_supervised = false;
  double operator[](RunCause cause) const { return seconds[static_cast<std::size_t>(cause)]; }
  double accounted_seconds() const;
  /// Useful step time over wall time.
  double goodput() const;
};

/// The times that the ranks of an attempt left beside their logs; needed of one that the journal does not know the end of.
using LeftTimes = std::function<std::vector<TimesFile>(int attempt)>;
std::vector<TimesFile> left_times(FileSystem& files, const RunLayout& layout, int attempt);

/// `journal`: its lines, all of them or from one `run_started` on. Without a line: what ranks that were started without the supervisor left
/// as attempt 1.
Account account(const std::vector<nlohmann::json>& journal, const LeftTimes& left);

/// From the newest `run_started` on.
std::vector<nlohmann::json> newest_start(const std::vector<nlohmann::json>& journal);

/// The furthest step of attempts whose supervisor did not say how it ended: the next one computes up to it again.
std::int64_t reached_step_of_unfinished(const std::vector<nlohmann::json>& journal, const LeftTimes& left);

/// "goodput 81.3% (useful steps 9.8 of 12.1 s); start-up 8.0%, restart 4.1%, …", the largest losses first.
std::string goodput_line(const Account& account);

}  // namespace holdfast
