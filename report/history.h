// What a run left of itself, put together: its journal, the ranks' times, its metrics, how its saves ended. Reads only; torn lines and
// missing files leave gaps. The run may be going on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "checkpoint/format/layout.h"
#include "launch/accounting.h"

namespace holdfast {

/// An attempt that ended badly.
struct Failure {
  int attempt = 0;
  double unix_seconds = 0;  // when it was first noticed
  std::string reason;       // in one sentence
  nlohmann::json cause;     // the exit record that explains it; null: no rank says why
  std::string injected;     // the injected fault; empty: none
  std::int64_t recomputed_steps = 0;
  std::optional<double> seconds_to_resume;  // until the next attempt went on
};

/// How a save ended.
struct Save {
  std::int64_t step = 0;
  double unix_seconds = 0, seconds = 0, bytes = 0;
  bool is_durable = true, is_resumable = true;
};

/// A line of metrics about training.
struct TrainPoint {
  std::int64_t step = 0;
  double unix_seconds = 0, loss = 0, steps_per_second = 0, samples_per_second = 0;
};

struct RunHistory {
  Path root;
  std::string state;  // "finished", "stopped", "gave up", "runs", "ended without a word"
  Account account;
  std::vector<Failure> failures;
  std::vector<nlohmann::json> stragglers;  // their lines of the journal
  std::vector<Save> saves;
  std::vector<TrainPoint> training;
  std::int64_t newest_step() const;
};

/// Throws Error (65) where there is no run.
RunHistory read_history(FileSystem& files, const RunLayout& layout);

/// Maps moments to seconds of supervised time: the nights between two starts are left out.
class RunTime {
 public:
  explicit RunTime(const RunHistory& history);
  double operator()(double unix_seconds) const;
  double total() const { return total_; }

 private:
  struct Span {
    double begin, end, before;
  };
  std::vector<Span> spans_;
  double total_ = 0;
};

}  // namespace holdfast
