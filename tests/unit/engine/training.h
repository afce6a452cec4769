// A training that only checkpoints: ranks in threads, state that is a function of the step, files in memory.
#pragma once

#include <exception>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "base/log.h"
#include "checkpoint/engine/checkpointer.h"
#include "faulty_file_system.h"
#include "memory_file_system.h"
#include "thread_ranks.h"

namespace holdfast {

inline const Path kRun = "/memory/run";

/// The live state of one rank: replicated, sharded and per-rank tensors, one of them empty.
class LiveState {
 public:
  LiveState(int rank, int world_size) : rank_(rank) {
    add({"model/a", DType::f32, {8, 5}, TensorKind::replicated});
    add({"model/b", DType::bf16, {33}, TensorKind::replicated});
    add({"model/empty", DType::f32, {0}, TensorKind::replicated});
    add({"optimizers/main/a/momentum", DType::f32, {8, 5}, TensorKind::replicated});
    add({"optimizers/main/step", DType::i64, {}, TensorKind::replicated});
    add({"optimizers/main/shards", DType::f32, {4 * world_size}, TensorKind::sharded}, Slice{4 * rank, 4});
    add({"rng/cpu", DType::u8, {20}, TensorKind::per_rank});
  }
  LiveState(const LiveState&) = delete;
  LiveState& operator=(const LiveState&) = delete;

  void compute(std::int64_t step) {
    for (Tensor& tensor : tensors_) tensor.bytes = value(tensor, step);
  }
  void flip_bit(const std::string& name) {
    for (Tensor& tensor : tensors_)
      if (tensor.info.name == name) tensor.bytes[0] ^= std::byte{1};
  }
  bool is_that_of(std::int64_t step) const {
    for (const Tensor& tensor : tensors_)
      if (tensor.bytes != value(tensor, step)) return false;
    return true;
  }
  std::vector<StateEntry> entries() {
    std::vector<StateEntry> entries;
    for (Tensor& tensor : tensors_)
      entries.push_back({.info = tensor.info,
                         .slice = tensor.slice,
                         .copy_to =
                             [&tensor](std::uint64_t offset, std::span<std::byte> into) {
                               std::copy_n(tensor.bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
                             },
                         .copy_from =
                             [&tensor](std::uint64_t offset, std::span<const std::byte> from) {
                               std::copy(from.begin(), from.end(), tensor.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
                             }});
    return entries;
  }
  Snapshot snapshot(std::int64_t step) {
    return {.global_step = step,
            .entries = entries(),
            .state = {{"global_step", step}},
            .options = nlohmann::json::object(),
            .environment = nlohmann::json::object()};
  }

 private:
  struct Tensor {
    TensorInfo info;
    Slice slice;
    std::vector<std::byte> bytes;
  };
  void add(TensorInfo info, std::optional<Slice> part = {}) {
    const Slice slice = part.value_or(Slice{0, info.elements()});
    const std::size_t bytes = static_cast<std::size_t>(slice.count) * size_of(info.dtype);
    tensors_.push_back({std::move(info), slice, std::vector<std::byte>(bytes)});
  }
  std::vector<std::byte> value(const Tensor& tensor, std::int64_t step) const {
    std::vector<std::byte> bytes(tensor.bytes.size());
    const std::size_t first = static_cast<std::size_t>(tensor.slice.offset) * size_of(tensor.info.dtype);
    const int owner = tensor.info.kind == TensorKind::per_rank ? rank_ + 1 : 0;
    std::uint64_t seed = std::hash<std::string>()(tensor.info.name) + static_cast<std::uint64_t>(step * 1000 + owner);
    for (std::size_t i = 0; i < first + bytes.size(); ++i) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      if (i >= first) bytes[i - first] = static_cast<std::byte>(seed >> 56);
    }
    return bytes;
  }

  int rank_;
  std::vector<Tensor> tensors_;
};

/// The boundary at which every_steps: 1 asks for the state of `step`.
inline Boundary after_step(std::int64_t step) {
  return {.position = {.epoch = 0, .batch = step, .step = step}, .step = {step - 1, step, 0, 0, false}};
}

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
                                        std::int64_t limit, const std::function<void(TestRank&)>& body) {
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
      ThreadCommunicator communicator(ranks, rank);
      FaultyFileSystem view(files, record, rank);
      LiveState state(rank, world_size);
      Checkpointer checkpointer({communicator, view, clock, sections}, RunLayout{kRun}, {{.name = "regular", .every_steps = 1, .limit = limit}},
                                attempt);
      TestRank self{communicator, view, state, checkpointer};
      body(self);
      return;
    } catch (const Killed&) {
      end.is_killed = true;
    } catch (const PeerLost&) {
      end.is_peer_lost = true;
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

/// Restores, and goes on to `step` and saves. What restore found in `found`, by rank (-1: nothing).
inline void restore_and_save(TestRank& self, std::int64_t step, std::vector<std::int64_t>* found = nullptr) {
  const auto restored = self.checkpointer.restore("auto", self.state.entries());
  if (restored && !self.state.is_that_of(restored->manifest.global_step))
    throw std::logic_error("the state is not that of step " + std::to_string(restored->manifest.global_step));
  if (found) (*found)[static_cast<std::size_t>(self.ranks.rank())] = restored ? restored->manifest.global_step : -1;
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
