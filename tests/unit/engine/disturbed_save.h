// A save that is disturbed: what is on disk before it, the attempt that makes it, and what the next attempt has to find.
#pragma once

#include <fmt/format.h>

#include <ostream>

#include "checkpoint/format/verify.h"
#include "training.h"

namespace holdfast {

inline const Path kCheckpoints = RunLayout{kRun}.checkpoints();

struct Scenario {
  const char* name;
  int world_size;
  std::vector<std::int64_t> before;  // steps saved undisturbed
  std::int64_t limit;
  bool has_leftover;  // a pending directory of the same name appears before the save
};
inline void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

/// How far the commit has come.
struct Progress {
  bool is_renamed = false;  // the rename has begun
  bool is_durable = false;  // publish() has returned: what follows has begun
};

class DisturbedSave {
 public:
  static constexpr std::int64_t kStep = 90;

  explicit DisturbedSave(Scenario scenario) : scenario_(std::move(scenario)) {
    before_.make_directory("/memory");
    before_.make_directory(kRun);
    before_.sync_directory("/");
    before_.sync_directory("/memory");
    for (const std::int64_t step : scenario_.before) {
      OperationRecord record;
      run_attempt(before_, record, scenario_.world_size, 1, -1, [&](TestRank& self) { restore_and_save(self, step); });
    }
    if (steps_on_disk(before_) != scenario_.before) throw std::logic_error("what was to be there before the save is not");
  }
  /// What is on disk before the attempt.
  const MemoryFileSystem& before() const { return before_; }

  /// `save` is called on every rank in the place of the save.
  std::vector<RankEnd> attempt(MemoryFileSystem& files, OperationRecord& record, const std::function<void(TestRank&)>& save) const {
    return run_attempt(files, record, scenario_.world_size, 2, scenario_.limit, [&](TestRank& self) {
      self.checkpointer.restore("auto", self.state.entries());
      if (scenario_.has_leftover && self.ranks.rank() == 0) leave_pending(files);
      self.state.compute(kStep);
      save(self);
    });
  }
  std::vector<RankEnd> attempt(MemoryFileSystem& files, OperationRecord& record) const { return attempt(files, record, save_once); }
  static void save_once(TestRank& self) { self.checkpointer.save(self.state.snapshot(kStep), after_step(kStep)); }

  /// The step that all ranks of a new attempt find and get, bit by bit; -1: none. Throws std::runtime_error: an error, or a mixture.
  std::int64_t restored_step(MemoryFileSystem& files) const {
    return next_attempt(files, [](TestRank& self, std::int64_t& found) { found = restore_whole(self); });
  }
  /// Likewise; then the attempt goes on and saves, and what it leaves is sound.
  std::int64_t restored_step_of_a_run_that_goes_on(MemoryFileSystem& files) const {
    const std::int64_t step = next_attempt(files, [](TestRank& self, std::int64_t& found) {
      found = restore_whole(self);
      self.state.compute(100);
      self.checkpointer.save(self.state.snapshot(100), after_step(100));
    });
    for (const Finding& finding : verify_checkpoint(files, kCheckpoints / "step-00000100")) throw std::runtime_error(finding.text);
    for (const std::string& name : files.list(kCheckpoints))
      if (is_leftover(name)) throw std::runtime_error(name + " is still there");
    return step;
  }
  /// The new step, or the one before (-1: none), as far as that is certain.
  void require_right(std::int64_t step, bool must_be_new, bool must_be_old) const {
    const std::int64_t old = scenario_.before.empty() ? -1 : scenario_.before.back();
    if ((step == kStep && !must_be_old) || (step == old && !must_be_new)) return;
    throw std::runtime_error(fmt::format("step {} was found{}{}", step, must_be_new ? ", the new one is durable" : "",
                                         must_be_old ? ", the new one is not committed" : ""));
  }

  /// `next` is about to begin, after `done`.
  static Progress progress_of(const std::vector<Operation>& done, const Operation& next) {
    Progress progress;
    for (const Operation& operation : done) {
      if (progress.is_renamed && operation.verb != "sync directory") progress.is_durable = true;
      if (operation.verb == "rename to" && operation.path == kCheckpoints / directory_name({kStep, 0})) progress.is_renamed = true;
    }
    if (progress.is_renamed && next.verb != "sync directory") progress.is_durable = true;
    return progress;
  }
  int world_size() const { return scenario_.world_size; }

 private:
  static void leave_pending(MemoryFileSystem& files) {
    const Path pending = kCheckpoints / pending_name({kStep, 0}, 2);
    make_directories(files, pending);
    for (const std::string& name : {shard_name(0, 2), shard_name(7, 8), std::string(kManifestName)}) files.create(pending / name)->close();
    files.sync_directory(pending);
  }
  std::int64_t next_attempt(MemoryFileSystem& files, const std::function<void(TestRank&, std::int64_t& found)>& body) const {
    std::vector<std::int64_t> found(static_cast<std::size_t>(world_size()), -2);
    OperationRecord record;
    const auto ends = run_attempt(files, record, world_size(), 3, 2,
                                  [&](TestRank& self) { body(self, found[static_cast<std::size_t>(self.ranks.rank())]); });
    for (const RankEnd& end : ends)
      if (!end.is_good()) throw std::runtime_error(end.error.empty() ? "a rank died" : end.error);
    for (const std::int64_t step : found)
      if (step != found[0]) throw std::runtime_error("ranks have found different steps");
    return found[0];
  }

  Scenario scenario_;
  MemoryFileSystem before_;
};

}  // namespace holdfast
