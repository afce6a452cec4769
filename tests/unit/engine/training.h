// A training that only checkpoints: ranks in threads, files in memory.
#pragma once

#include <exception>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "base/log.h"
#include "checkpoint/engine/checkpointer.h"
#include "faulty_file_system.h"
#include "live_state.h"
#include "memory_file_system.h"
#include "thread_ranks.h"

namespace holdfast {

inline const Path kRun = "/memory/run";

/// What a rank of the test has at hand.
struct TestRank {
  Communicator& ranks;
  FileSystem& files;
  LiveState& state;
  Checkpointer& checkpointer;
};

/// How a rank ended: by returning, by an exception's text, or killed.
struct RankEnd {
  bool is_killed = false, is_peer_lost = false;
  std::string error;
  bool is_good() const { return !is_killed && !is_peer_lost && error.empty(); }
};

/// One attempt: `body` on every rank, each in a thread with its own view of `files`; ends when all have ended.
inline std::vector<RankEnd> run_attempt(MemoryFileSystem& files, OperationRecord& record, int world_size, int attempt,
                                        const std::vector<CheckpointOptions>& policy, const std::function<void(TestRank&)>& body) {
  struct QuietClock final : Clock {
    double seconds() const override { return 0; }
    double unix_seconds() const override { return 1700000000; }
  };
  ThreadRanks ranks(world_size);
  std::vector<RankEnd> ends(static_cast<std::size_t>(world_size));
  const auto live = [&](int rank) {
    RankEnd& end = ends[static_cast<std::size_t>(rank)];
    try {
      const QuietClock clock;
      SectionTracker sections(nullptr);
      ExchangeCommunicator communicator(ranks, rank);
      FaultyFileSystem view(files, record, rank);
      LiveState state(rank, world_size);
      Checkpointer checkpointer({communicator, view, clock, sections}, RunLayout{kRun}, policy, attempt);
      TestRank self{communicator, view, state, checkpointer};
      body(self);
      return;
    } catch (const Killed&) {
      end.is_killed = true;
    } catch (const PeerLost&) {
      end.is_killed = record.has_killed(rank);
      end.is_peer_lost = !end.is_killed;
    } catch (const std::exception& error) {
      end.error = error.what();
    }
    ranks.lose();
  };
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < world_size; ++rank) threads.emplace_back(live, rank);
  threads.clear();
  return ends;
}

/// With one entry, which keeps the newest `limit`.
inline std::vector<RankEnd> run_attempt(MemoryFileSystem& files, OperationRecord& record, int world_size, int attempt, std::int64_t limit,
                                        const std::function<void(TestRank&)>& body) {
  return run_attempt(files, record, world_size, attempt, {{.name = "regular", .every_steps = 1, .limit = limit}}, body);
}

/// Restores; the step of it, whose bits the state then has. -1: nothing was there.
inline std::int64_t restore_whole(TestRank& self) {
  const auto restored = self.checkpointer.restore("auto", self.state.entries());
  if (!restored) return -1;
  const std::int64_t step = restored->manifest.global_step;
  if (!self.state.is_that_of(step)) throw std::logic_error("the state is not that of step " + std::to_string(step));
  return step;
}

/// Restores, and goes on to `step` and saves.
inline void restore_and_save(TestRank& self, std::int64_t step) {
  restore_whole(self);
  self.state.compute(step);
  self.checkpointer.save(self.state.snapshot(step), after_step(step));
}

/// Committed steps on disk.
inline std::vector<std::int64_t> steps_on_disk(FileSystem& files) {
  std::vector<std::int64_t> steps;
  for (const CheckpointName& name : list_checkpoints(files, RunLayout{kRun}.checkpoints())) steps.push_back(name.step);
  return steps;
}

}  // namespace holdfast
