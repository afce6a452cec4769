#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "base/clock.h"
#include "callbacks/early_stopping.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

/// A run with a validation every 10 updates.
class Validated {
 public:
  explicit Validated(const EarlyStoppingOptions& options) : stopping(options) {}
  /// The number of the validation, from 0, at which the run is ended; -1: it goes on.
  int ended_at(const std::vector<double>& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (validate(values[i])) return static_cast<int>(i);
    return -1;
  }
  bool validate(double value) {
    state.global_step += 10;
    stopping.on_validation_end({state, 1000, 100, model, clock}, {{"val_loss", value}, {"val_accuracy", -value}}, *ranks);
    return stopping.end_reason().has_value();
  }
  EarlyStopping stopping;
  RunState state;
  torch::nn::Module model;
  SystemClock clock;
  std::unique_ptr<Communicator> ranks = make_local_communicator();
};

TEST(EarlyStoppingEnds, AfterSoManyValidationsWithoutAnImprovement) {
  EXPECT_EQ(Validated({.patience = 2}).ended_at({.5, .4, .45, .46, .3}), 3);  // as Lightning: stopped_epoch 3
  EXPECT_EQ(Validated({.patience = 1}).ended_at({.5, .4, .45}), 2);
  EXPECT_EQ(Validated({.patience = 2}).ended_at({.5, .4, .45, .3, .35}), -1);
  EXPECT_EQ(Validated({.patience = 2}).ended_at({.5, .5, .5}), 2);  // a tie is no improvement
  EXPECT_EQ(Validated({.monitor = "val_accuracy", .mode = Mode::max, .patience = 2}).ended_at({.5, .4, .45, .46}), 3);
}

TEST(EarlyStoppingEnds, UnlessTheImprovementIsLargeEnough) {
  EXPECT_EQ(Validated({.patience = 2, .min_delta = .1}).ended_at({1, .95, .91}), 2);
  EXPECT_EQ(Validated({.patience = 2, .min_delta = .1}).ended_at({1, .95, .85, .8, .76}), 4);
}

TEST(EarlyStoppingEnds, AtOnceWhereTheValueIsNotFinite) {
  EXPECT_EQ(Validated({}).ended_at({.5, kNan}), 1);
  EXPECT_EQ(Validated({}).ended_at({.5, -kInfinity}), 1);
  EXPECT_EQ(Validated({.patience = 2, .check_finite = false}).ended_at({kNan, .5, kNan, kInfinity}), 3);
  EXPECT_EQ(Validated({.patience = 2, .check_finite = false}).ended_at({kNan, kNan}), 1);
}

TEST(EarlyStoppingEnds, AtOnceBeyondAThreshold) {
  EXPECT_EQ(Validated({.stopping_threshold = .3}).ended_at({.5, .3, .29}), 2);
  EXPECT_EQ(Validated({.divergence_threshold = 2}).ended_at({.5, 2, 2.1}), 2);
}

TEST(EarlyStoppingEnds, NotBeforeTheLeastNumberOfUpdates) {
  EXPECT_EQ(Validated({.patience = 1, .min_steps = 50}).ended_at({.1, .2, .3, .4, .5}), 4);
  EXPECT_EQ(Validated({.min_steps = 30}).ended_at({kNan, .2, .1}), -1);
}

TEST(EarlyStopping, GoesOnAfterARestoreAsIfNothingHadHappened) {
  const std::vector<double> values = {.5, kNan, .4, .45, kInfinity, .46};
  const EarlyStoppingOptions options{.patience = 3, .check_finite = false};
  for (std::size_t cut = 0; cut <= values.size(); ++cut) {
    Validated before(options), after(options), whole(options);
    for (std::size_t i = 0; i < cut; ++i) before.validate(values[i]);
    after.stopping.restore(nlohmann::json::parse(before.stopping.state().dump()));
    after.state = before.state;
    for (std::size_t i = cut; i < values.size(); ++i) after.validate(values[i]);
    for (const double value : values) whole.validate(value);
    EXPECT_EQ(after.stopping.state(), whole.stopping.state()) << cut;
    EXPECT_EQ(after.stopping.end_reason(), whole.stopping.end_reason()) << cut;
  }
}

TEST(EarlyStopping, HoldsWhatWasSeenAgainstTheNewConfiguration) {
  Validated impatient({.patience = 2});
  EXPECT_EQ(impatient.ended_at({.5, .6, .7}), 2);
  Validated patient({.patience = 3}), restarted({.patience = 2});
  patient.stopping.restore(impatient.stopping.state());
  restarted.stopping.restore(impatient.stopping.state());
  EXPECT_FALSE(patient.stopping.end_reason());
  EXPECT_TRUE(patient.validate(.8));
  ASSERT_TRUE(restarted.stopping.end_reason());
  EXPECT_THAT(*restarted.stopping.end_reason(), HasSubstr("val_loss is 0.7 at step 30; no better than 0.5 of step 10 for 2 validations"));
}

TEST(EarlyStopping, BeginsAnewWithOtherWeights) {
  Validated run({.patience = 2});
  for (const double value : {.1, .2}) {
    run.state.validations.push_back({.metrics = {{"loss", value}}});
    EXPECT_FALSE(run.validate(value));
  }
  run.state.validations.push_back({.metrics = {{"loss", .3}}, .weights = "ema"});
  EXPECT_FALSE(run.validate(.3));
  EXPECT_EQ(run.ended_at({.35, .4}), 1);
}

TEST(EarlyStopping, BeginsAnewWithAnotherMetric) {
  Validated by_loss({.patience = 2});
  by_loss.ended_at({.5, .6, .7});
  Validated by_accuracy({.monitor = "val_accuracy", .mode = Mode::max, .patience = 2});
  by_accuracy.stopping.restore(by_loss.stopping.state());
  EXPECT_FALSE(by_accuracy.stopping.end_reason());
  EXPECT_EQ(by_accuracy.ended_at({.1, .2, .3}), 2);
}

}  // namespace
}  // namespace holdfast
