#include "bench/scale/saves.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "base/error.h"
#include "bench/scale/counted_memory.h"
#include "bench/scale/simulated_ranks.h"
#include "bench/scale/unsynced_files.h"
#include "checkpoint/engine/checkpointer.h"

namespace holdfast {
namespace {

constexpr std::int64_t kWeights = 4 << 10;      // elements that all ranks have
constexpr std::int64_t kGeneratorBytes = 5056;  // of LibTorch's CPU generator: each rank's own, as in a training
constexpr int kRealRanksOfResume = 64;          // each holds the whole manifest: all of 10,000 would need more than this machine has
constexpr int kAllOfThemUpTo = 1000;
constexpr std::int64_t kKept = 100;  // more than are saved: removing the files of thousands of ranks is no part of what is measured
constexpr std::size_t kThreadStackBytes = 256 << 10;

/// Two threads of each rank live until its shard is collected: with stacks of the usual size, each between guards of its own, those of
/// 10,000 ranks would be more mappings than a process may have.
void make_threads_small() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setguardsize(&attributes, 0);
  ::pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

/// A function of the step, and of the rank where it is the rank's own.
class SmallState {
 public:
  explicit SmallState(int rank) : rank_(rank), weights_(kWeights), generator_(kGeneratorBytes) {}

  void compute(std::int64_t step) {
    std::fill(weights_.begin(), weights_.end(), static_cast<float>(step));
    std::fill(generator_.begin(), generator_.end(), std::byte(static_cast<unsigned char>(step + rank_)));
  }
  bool is_that_of(std::int64_t step) const {
    const auto own = std::byte(static_cast<unsigned char>(step + rank_));
    return std::all_of(weights_.begin(), weights_.end(), [&](float value) { return value == static_cast<float>(step); }) &&
           std::all_of(generator_.begin(), generator_.end(), [&](std::byte value) { return value == own; });
  }
  std::vector<StateEntry> entries() {
    return {entry({"model/weight", DType::f32, {kWeights}, TensorKind::replicated}, std::as_writable_bytes(std::span(weights_))),
            entry({"rng/cpu", DType::u8, {kGeneratorBytes}, TensorKind::per_rank}, generator_)};
  }

 private:
  static StateEntry entry(TensorInfo info, std::span<std::byte> bytes) {
    const Slice slice{0, info.elements()};
    return {.info = std::move(info),
            .slice = slice,
            .copy_to = [bytes](std::uint64_t offset, std::span<std::byte> into) { std::memcpy(into.data(), &bytes[offset], into.size()); },
            .copy_from = [bytes](std::uint64_t offset,
                                 std::span<const std::byte> from) { std::memcpy(&bytes[offset], from.data(), from.size()); }};
  }
  int rank_;
  std::vector<float> weights_;
  std::vector<std::byte> generator_;
};

/// One rank of a training that only checkpoints.
struct Training {
  Training(Communicator& self, const Path& root, int attempt)
      : ranks(self),
        files(ranks.rank() == 0 ? make_posix_file_system() : make_unsynced_files()),
        sections(nullptr),
        checkpointer({ranks, *files, clock, sections}, RunLayout{root}, {{.name = "regular", .every_steps = 1, .limit = kKept}}, attempt),
        state(ranks.rank()) {}

  Communicator& ranks;
  std::unique_ptr<FileSystem> files;
  SystemClock clock;
  SectionTracker sections;
  Checkpointer checkpointer;
  SmallState state;

  Vote facts() const {
    Vote mine;
    checkpointer.add_facts_to(mine);
    return mine;
  }
  /// This rank's own part, which others need not wait for in the simulation.
  template <class IsDone>
  void wait_until(const IsDone& is_done) const {
    while (!is_done(facts())) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }

  MeasuredSave save(std::int64_t step) {
    MeasuredSave measured;
    state.compute(step);
    const Boundary boundary{.position = {.epoch = 0, .batch = step, .step = step}, .step = {step - 1, step, 0, 0, false}};
    const std::int64_t before = facts().shard_ended;
    const double start = own_seconds();
    checkpointer.begin_save({.global_step = step, .entries = state.entries(), .state = {{"global_step", step}}}, boundary);
    checkpointer.finish_staging();
    wait_until([&](const Vote& mine) { return mine.shard_ended > before; });
    const double begun = own_seconds();
    checkpointer.advance(ranks.vote(facts()));
    const double collected = own_seconds();
    if (ranks.rank() == 0) wait_until([&](const Vote& mine) { return mine.commit_ended > before; });
    const double committed = own_seconds();
    const std::optional<SaveResult> result = checkpointer.advance(ranks.vote(facts()));
    checkpointer.settle();
    measured.begin_seconds = begun - start;
    measured.collect_seconds = collected - begun;
    measured.commit_seconds = committed - collected;
    measured.failure = result ? result->failure : "the save has not ended";
    return measured;
  }
  std::function<double()> own_seconds = [this] { return clock.seconds(); };
};

/// What rank 0 takes while it runs is counted; `own_seconds` of it stands still while others run.
class Watch {
 public:
  explicit Watch(SimulatedRanks& ranks) {
    CountedMemory::forget();
    ranks.on_switch([this](int rank, bool is_running) {
      if (rank != 0) return;
      CountedMemory::count(is_running);
      is_running ? since_ = clock_.seconds() : ran_ += clock_.seconds() - since_;
    });
  }
  ~Watch() { CountedMemory::count(false); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  /// Called by rank 0.
  double own_seconds() const { return ran_ + clock_.seconds() - since_; }

 private:
  SystemClock clock_;
  double since_ = 0, ran_ = 0;
};

}  // namespace

std::vector<MeasuredSave> save(const Path& root, int size, std::int64_t first_step, int count) {
  make_threads_small();
  SimulatedRanks ranks(size, size);
  std::vector<std::unique_ptr<Training>> trainings(static_cast<std::size_t>(size));
  std::vector<MeasuredSave> measured;
  ranks.run([&](Communicator& self) {
    auto training = std::make_unique<Training>(self, root, static_cast<int>(first_step));
    training->checkpointer.restore("auto", training->state.entries());
    trainings[static_cast<std::size_t>(self.rank())] = std::move(training);
  });
  for (int number = 0; number < count; ++number) {
    const Watch watch(ranks);
    ranks.forget_traffic();
    ranks.run([&](Communicator& self) {
      const std::unique_ptr<Training>& training = trainings[static_cast<std::size_t>(self.rank())];
      if (self.rank() == 0) training->own_seconds = [&watch] { return watch.own_seconds(); };
      const MeasuredSave save = training->save(first_step + number);
      if (self.rank() == 0) measured.push_back(save);
    });
    measured.back().rank0_bytes = CountedMemory::peak_bytes();
    measured.back().traffic = ranks.total();
  }
  return measured;
}

MeasuredResume resume(const Path& root, int size, int real) {
  SimulatedRanks ranks(size, real);
  const Watch watch(ranks);
  MeasuredResume measured;
  ranks.run([&](Communicator& self) {
    Training training(self, root, 1000);
    const std::optional<Restored> restored = training.checkpointer.restore("auto", training.state.entries());
    const std::int64_t step = restored ? restored->manifest.global_step : -1;
    if (self.rank() == 0) measured.step = step;
    if (step == measured.step && training.state.is_that_of(step)) ++measured.ranks_that_agree;
  });
  measured.rank0_seconds = ranks.seconds_of(0);
  measured.other_seconds = ranks.seconds_of(std::min(1, real - 1));
  measured.rank0_bytes = CountedMemory::peak_bytes();
  measured.traffic = ranks.total();
  return measured;
}

namespace {

nlohmann::json facts_of(const Traffic& traffic) {
  return {{"collectives", traffic.calls},
          {"messages", traffic.messages},
          {"bytes", traffic.bytes},
          {"rank0_messages", traffic.rank0_messages},
          {"rank0_bytes", traffic.rank0_bytes},
          {"rounds", traffic.rounds},
          {"serial_bytes", traffic.serial_bytes}};
}

void require_good(const MeasuredSave& save) {
  if (!save.failure.empty()) throw Error("a simulated save has failed: " + save.failure, kExitSoftware);
}

}  // namespace

std::vector<Figure> measure_saves(const ScaleTask& task) {
  const Path root = Path(task.directory) / "saves";
  const auto files = make_posix_file_system();
  make_directories(*files, root);
  Figure collected{.way = "save.collect", .ranks = task.ranks}, committed{.way = "save.commit", .ranks = task.ranks};
  const std::vector<MeasuredSave> saves = save(root, task.ranks, 1, task.repeat);
  for (const MeasuredSave& save : saves) {
    require_good(save);
    collected.seconds.push_back(save.collect_seconds);
    committed.seconds.push_back(save.commit_seconds);
  }
  collected.facts = facts_of(saves.back().traffic);
  collected.facts["rank0_memory_bytes"] = saves.back().rank0_bytes;
  committed.facts["manifest_bytes"] = read_text(*files, root / "checkpoints" / "last" / kManifestName).size();

  Figure resumed{.way = "resume", .ranks = task.ranks}, checked{.way = "resume.other_rank", .ranks = task.ranks};
  const int real = task.ranks <= kAllOfThemUpTo ? task.ranks : kRealRanksOfResume;
  for (int number = 0; number < task.repeat; ++number) {
    const MeasuredResume one = resume(root, task.ranks, real);
    if (one.step != task.repeat || one.ranks_that_agree != real)
      throw Error("a simulated run goes on from step " + std::to_string(one.step), kExitSoftware);
    resumed.seconds.push_back(one.rank0_seconds);
    checked.seconds.push_back(one.other_seconds);
    resumed.facts = facts_of(one.traffic);
    resumed.facts["rank0_memory_bytes"] = one.rank0_bytes;
    resumed.facts["real_ranks"] = real;
  }
  remove_tree(*files, root);
  return {collected, committed, resumed, checked};
}

}  // namespace holdfast
