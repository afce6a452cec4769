// Tasks that later parts need, against the interfaces of today: two optimizers stepped at different times, BatchNorm,
// frozen and unused parameters, failures that all ranks must hear of.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/injection.h"
#include "lone_step.h"
#include "tests/unit/base/temporary_directory.h"
#include "trainer/state/model_state.h"
#include "trainer/trainer.h"
#include "trainer/training_step.h"

namespace holdfast {
namespace {

/// Batches of `size` rows of one number each.
class Rows final : public BatchLoader {
 public:
  explicit Rows(std::int64_t samples, std::int64_t size) : samples_(samples), size_(size) {}
  std::int64_t epoch_samples() const override { return samples_; }
  void seek(std::int64_t seen) override { seen_ = seen; }
  std::int64_t next_global_samples() const override { return std::min(size_, samples_ - seen_ % samples_); }
  Batch next() override {
    const std::int64_t n = next_global_samples();
    const at::Tensor rows = torch::arange(seen_, seen_ + n, torch::kFloat).unsqueeze(1) / 10;
    seen_ += n;
    return {{rows}, n};
  }

 private:
  std::int64_t samples_, size_, seen_ = 0;
};

struct TwoParts final : torch::nn::Module {
  TwoParts() {
    register_module("generator", generator);
    register_module("discriminator", discriminator);
    register_module("spare", spare);
  }
  torch::nn::Linear generator{1, 1}, discriminator{1, 1}, spare{1, 1};
};

/// The discriminator steps with every batch, the generator with every second one, over both batches' gradients.
class Alternating final : public Task {
 public:
  torch::nn::Module& model() override { return *module_; }
  Loss loss(const Batch&) override { throw std::logic_error("manual"); }
  Evaluation evaluate(const Batch&) override { return {}; }
  bool is_manual() const override { return true; }
  void train_batch(const Batch& batch, ManualOptimization& optimization) override {
    const at::Tensor& x = batch.fields[0];
    optimization.backward("d", {module_->discriminator(x).pow(2).sum(), batch.samples});
    optimization.step("d");
    if (throw_at == batches_) throw std::runtime_error("the task broke");
    optimization.backward("g", {module_->discriminator(module_->generator(x)).sum(), batch.samples});
    if (++batches_ % 2 == 0) optimization.step("g");
  }
  std::int64_t throw_at = -1;

 private:
  std::shared_ptr<TwoParts> module_ = std::make_shared<TwoParts>();
  std::int64_t batches_ = 0;
};

Configuration two_optimizers() {
  Configuration configuration;
  configuration.optimizers["d"] = {.type = OptimizerKind::sgd, .lr = 0.1, .weight_decay = 0, .parameters = {"discriminator"}};
  configuration.optimizers["g"] = {.type = OptimizerKind::adamw, .lr = 0.1, .parameters = {"generator"}};
  configuration.trainer.frozen = {"spare"};
  return configuration;
}

std::vector<NamedParameter> parameters_of(torch::nn::Module& model) {
  std::vector<NamedParameter> parameters;
  for (const auto& item : model.named_parameters()) parameters.push_back({item.key(), item.value()});
  return parameters;
}

TEST(TrainingStep, TwoOptimizersSteppedAtDifferentTimesCountOneStepABatch) {
  Alternating task;
  Optimization optimization(two_optimizers(), parameters_of(task.model()));
  LateCommunicator ranks;
  SectionTracker sections(nullptr);
  Rows loader(100, 4);
  TrainingStep step({ranks, sections, task, loader, optimization, 1});
  RunState state;
  for (int i = 0; i < 6; ++i) step.run(state);
  EXPECT_EQ(state.global_step, 6);
  EXPECT_EQ(state.batch_index, 6);
  EXPECT_EQ(state.optimizer_updates, (std::map<std::string, std::int64_t>{{"d", 6}, {"g", 3}}));
}

TEST(TrainingStep, BackwardUnderManualOptimizationReachesTheNamedOptimizersParametersAlone) {
  Alternating task;
  Optimization optimization(two_optimizers(), parameters_of(task.model()));
  LateCommunicator ranks;
  SectionTracker sections(nullptr);
  Rows loader(100, 4);
  TrainingStep step({ranks, sections, task, loader, optimization, 1});
  RunState state;
  step.run(state);
  // The generator's loss flows through the discriminator, whose gradient must stay zero after its own step.
  EXPECT_EQ(optimization.find("d").gradients().norm(), 0.0);
  EXPECT_GT(optimization.find("g").gradients().norm(), 0.0);
  EXPECT_EQ(optimization.find("g").gradients().count(), 4);
}

TEST(TrainingStep, WaitsForTheCopyOfASaveBeforeItChangesWhatIsCopied) {
  Alternating task;
  Optimization optimization(two_optimizers(), parameters_of(task.model()));
  LateCommunicator ranks;
  SectionTracker sections(nullptr);
  Rows loader(100, 4);
  const auto files = make_posix_file_system();
  const SystemClock clock;
  const TemporaryDirectory directory;
  Checkpointer checkpointer({ranks, *files, clock, sections}, RunLayout{directory.path()}, {{.name = "regular", .every_steps = 1}}, 1);
  TrainingStep step({.ranks = ranks,
                     .sections = sections,
                     .task = task,
                     .loader = loader,
                     .optimization = optimization,
                     .accumulate_batches = 1,
                     .checkpointer = &checkpointer});

  StateEntry weight = model_entries(task.model()).at(2);
  ASSERT_EQ(weight.info.name, "model/discriminator.weight");
  std::vector<std::byte> before(weight.info.bytes()), copied(before.size()), after(before.size());
  weight.copy_to(0, before);
  weight.changes_only_in_update = true;
  weight.copy_to = [&copied, copy = weight.copy_to](std::uint64_t offset, std::span<std::byte> into) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // slower than a step of this size by far
    copy(offset, into);
    std::copy(into.begin(), into.end(), copied.begin());
  };
  checkpointer.begin_save({.global_step = 0, .entries = {weight}, .state = {}, .options = {}, .environment = {}},
                          {.position = {.epoch = 0, .batch = 1, .step = 0}, .step = {0, 1, 0, 0, false}});
  RunState state;
  step.run(state);
  EXPECT_EQ(checkpointer.finish_save()->failure, "");
  EXPECT_EQ(copied, before);
  model_entries(task.model()).at(2).copy_to(0, after);
  EXPECT_NE(after, before) << "the test wants a step that changes it";
}

TEST(TrainingStep, AFrozenParameterIsStoredButNotTrained) {
  Alternating task;
  Optimization optimization(two_optimizers(), parameters_of(task.model()));
  for (const auto& item : task.model().named_parameters())
    EXPECT_EQ(item.value().requires_grad(), !item.key().starts_with("spare")) << item.key();
  bool is_stored = false;
  for (const StateEntry& entry : model_entries(task.model())) is_stored |= entry.info.name == "model/spare.weight";
  EXPECT_TRUE(is_stored);
}

TEST(TrainingStep, AThrowingTaskUnderManualOptimizationIsVotedAndRethrown) {
  Alternating task;
  task.throw_at = 1;
  Optimization optimization(two_optimizers(), parameters_of(task.model()));
  LateCommunicator ranks;
  SectionTracker sections(nullptr);
  Rows loader(100, 4);
  TrainingStep step({ranks, sections, task, loader, optimization, 1});
  RunState state;
  step.run(state);
  EXPECT_THROW(step.run(state), std::runtime_error);
}

/// The other rank has no sample, and leaves its steps out.
class WithARankThatSkips final : public LateCommunicator {
 public:
  Vote vote(const Vote& mine) override {
    Vote both = LateCommunicator::vote(mine);
    combine(both, {.lowest_call = 0, .highest_call = 0});
    return both;
  }
};

TEST(TrainingStep, RanksThatStepDifferentlyAreToldBeforeTheirCollectivesMiss) {
  Alternating task;
  Optimization optimization(two_optimizers(), parameters_of(task.model()));
  WithARankThatSkips ranks;
  SectionTracker sections(nullptr);
  Rows loader(100, 4);
  TrainingStep step({ranks, sections, task, loader, optimization, 1});
  RunState state;
  try {
    step.run(state);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("one ends the batch while another steps 'd'"));
    EXPECT_EQ(error.exit_code(), kExitSoftware);
  }
  EXPECT_EQ(optimization.updates(), 0);
}

TEST(Optimization, AParameterOfNobodyIsRefused) {
  Configuration configuration = two_optimizers();
  configuration.trainer.frozen.clear();
  Alternating task;
  try {
    Optimization optimization(configuration, parameters_of(task.model()));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("spare.weight"));
  }
}

TEST(Optimization, OneTensorUnderTwoNamesIsRefused) {
  Alternating task;
  std::vector<NamedParameter> parameters = parameters_of(task.model());
  parameters.push_back({"discriminator.tied", parameters.front().tensor});
  const std::string first = parameters.front().name;
  EXPECT_THAT([&] { Optimization(two_optimizers(), parameters); },
              testing::ThrowsMessage<ConfigError>(testing::AllOf(testing::HasSubstr(first), testing::HasSubstr("'discriminator.tied'"))));
}

TEST(Optimization, APrefixThatMatchesNothingIsRefused) {
  Configuration configuration = two_optimizers();
  configuration.optimizers["g"].parameters = {"generatr"};
  Alternating task;
  try {
    Optimization optimization(configuration, parameters_of(task.model()));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("generatr"));
  }
}

struct Normed final : torch::nn::Module {
  Normed() {
    register_module("norm", norm);
    register_module("linear", linear);
  }
  torch::nn::BatchNorm1d norm{1};
  torch::nn::Linear linear{1, 1};
};

/// Sums of squares behind a BatchNorm, with a linear layer that is used only when asked for.
class NormedTask final : public Task {
 public:
  torch::nn::Module& model() override { return *module_; }
  Loss loss(const Batch& batch) override {
    const at::Tensor x = module_->norm(batch.fields[0]);
    at::Tensor out = x + 1;
    if (uses_linear) out = out + module_->linear(x);
    if (is_broken) out = out / 0;
    return {out.pow(2).sum(), batch.samples};
  }
  Evaluation evaluate(const Batch&) override { return {}; }
  bool uses_linear = true, is_broken = false;

 private:
  std::shared_ptr<Normed> module_ = std::make_shared<Normed>();
};

LoneStep with_one_optimizer(Task& task, std::int64_t accumulate, OptimizerOptions options = {.lr = 0.1}) {
  Configuration configuration;
  configuration.optimizers["main"] = std::move(options);
  configuration.trainer.accumulate_batches = accumulate;
  return {task, std::move(configuration), std::make_unique<Rows>(10, 4)};
}

TEST(TrainingStep, AShortLastAccumulationGroupStepsToo) {
  NormedTask task;
  LoneStep run = with_one_optimizer(task, 2);
  run.step->run(run.state);
  EXPECT_EQ(run.state.samples_seen, 8);
  run.step->run(run.state);
  EXPECT_EQ(run.state.samples_seen, 10) << "the epoch ends with one batch of 2";
  EXPECT_EQ(run.state.global_step, 2);
  EXPECT_EQ(run.state.batch_index, 3);
}

TEST(TrainingStep, AnUnusedParameterIsNotUpdatedNotEvenByDecay) {
  NormedTask task;
  task.uses_linear = false;
  LoneStep run = with_one_optimizer(task, 1, {.type = OptimizerKind::adamw, .lr = 0.1, .weight_decay = 0.5, .decay_bias_and_norm = true});
  const at::Tensor linear = task.model().named_parameters()["linear.weight"], norm = task.model().named_parameters()["norm.weight"];
  const at::Tensor linear_before = linear.detach().clone(), norm_before = norm.detach().clone();
  run.step->run(run.state);
  EXPECT_TRUE(torch::equal(linear, linear_before));
  EXPECT_FALSE(torch::equal(norm, norm_before));
}

TEST(TrainingStep, AGradientThatIsNotFiniteUpdatesNothing) {
  NormedTask task;
  LoneStep run = with_one_optimizer(task, 1);
  task.is_broken = true;
  const at::Tensor before = task.model().named_parameters()["norm.weight"].detach().clone();
  EXPECT_THROW(run.step->run(run.state), Error);
  EXPECT_TRUE(torch::equal(task.model().named_parameters()["norm.weight"], before));
  EXPECT_EQ(run.state.global_step, 0);
}

/// Fails as `failure` says, which may depend on the batch.
class FailingTask final : public Task {
 public:
  explicit FailingTask(std::function<void(const Batch&)> failure) : failure_(std::move(failure)) {}
  torch::nn::Module& model() override { return *module_; }
  Loss loss(const Batch& batch) override {
    failure_(batch);
    return {module_->linear(batch.fields[0]).sum(), batch.samples};
  }
  Evaluation evaluate(const Batch&) override { return {}; }

 private:
  std::function<void(const Batch&)> failure_;
  std::shared_ptr<Normed> module_ = std::make_shared<Normed>();
};

class WithAnotherRankThatSays final : public LateCommunicator {
 public:
  explicit WithAnotherRankThatSays(std::string words) : words_(std::move(words)) {}
  std::vector<std::string> gather(const std::string& mine, int) override { return {mine, words_}; }

 private:
  std::string words_;
};

void run_first_update(Communicator& ranks, const std::function<void(const Batch&)>& failure, std::int64_t steps_before = 0) {
  FailingTask task(failure);
  LoneStep run = with_one_optimizer(task, 1);
  TrainingStep step({ranks, run.sections, task, *run.loader, *run.optimization, 1});
  run.state.global_step = steps_before;
  step.run(run.state);
}

TEST(FirstUpdate, WhatTheTaskThrowsOnEveryRankAlikeIsFutileAndTellsTheShapes) {
  LateCommunicator alike;
  WithAnotherRankThatSays with_another_batch("cannot multiply x");
  const auto failure = [](const Batch& batch) { throw std::runtime_error(fmt::format("cannot multiply {}x1", batch.samples)); };
  for (LateCommunicator* ranks : {&alike, static_cast<LateCommunicator*>(&with_another_batch)})
    EXPECT_THAT([&] { run_first_update(*ranks, failure); },
                testing::ThrowsMessage<FutileError>(testing::AllOf(testing::HasSubstr("the shapes [4, 1]: cannot multiply 4x1\n  next: "),
                                                                   testing::HasSubstr("task.options"))));
}

TEST(FirstUpdate, WhatALaterAttemptMayNotMeetIsWorthOne) {
  LateCommunicator alike;
  WithAnotherRankThatSays nothing(""), something_else("no luck");
  const auto task_failure = [](const Batch&) { throw std::logic_error("a fault"); };
  EXPECT_THROW(run_first_update(nothing, task_failure), std::logic_error);
  EXPECT_THROW(run_first_update(something_else, task_failure), std::logic_error);
  EXPECT_THROW(run_first_update(alike, task_failure, 1), std::logic_error) << "it has stepped before";
  EXPECT_THROW(run_first_update(alike, [](const Batch&) { throw InjectedException("a fault"); }), InjectedException);
  EXPECT_THROW(run_first_update(alike, [](const Batch&) { throw StorageError("a disk"); }), StorageError);
}

TEST(ModelEntries, RunningStatisticsArePerRankAndParametersReplicated) {
  NormedTask task;
  std::map<std::string, TensorKind> kinds;
  for (const StateEntry& entry : model_entries(task.model())) kinds[entry.info.name] = entry.info.kind;
  EXPECT_EQ(kinds.at("model/norm.running_mean"), TensorKind::per_rank);
  EXPECT_EQ(kinds.at("model/norm.num_batches_tracked"), TensorKind::per_rank);
  EXPECT_EQ(kinds.at("model/norm.weight"), TensorKind::replicated);
}

TEST(ParameterHash, ChangesWithOneBitAndNotWithRunningStatistics) {
  NormedTask task;
  const std::string before = parameter_hash(task.model());
  task.model().named_buffers()["norm.running_mean"].fill_(3);
  EXPECT_EQ(parameter_hash(task.model()), before);
  const torch::NoGradGuard no_grad;
  at::Tensor weight = task.model().named_parameters()["linear.weight"];
  weight.data_ptr<float>()[0] = std::nextafter(weight.data_ptr<float>()[0], 10.0f);
  EXPECT_NE(parameter_hash(task.model()), before);
}

}  // namespace
}  // namespace holdfast
