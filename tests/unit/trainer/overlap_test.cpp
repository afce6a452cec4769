// Gradients that are reduced while the backward pass computes the next ones.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>
#include <vector>

#include "base/error.h"
#include "late_communicator.h"
#include "trainer/optimization/gradient_buckets.h"

namespace holdfast {
namespace {

/// Remembers what was started, in elements.
class Recorder : public LateCommunicator {
 public:
  Ticket start_all_reduce(std::span<std::byte> buffer, ReduceType type, ReduceOp op) override {
    started.push_back(static_cast<std::int64_t>(buffer.size() / sizeof(float)));
    return LateCommunicator::start_all_reduce(buffer, type, op);
  }
  std::vector<std::int64_t> started;
};

NamedParameter parameter(const std::string& name, std::int64_t elements) { return {name, torch::ones({elements}).set_requires_grad(true)}; }

struct Three {
  NamedParameter a = parameter("a", 3), b = parameter("b", 4), c = parameter("c", 100'000);  // c is reduced in place
  GradientBuckets buckets{{a, b, c}, 1};                                                     // a bucket each: c, b, a
  at::Tensor loss() const { return a.tensor.sum() + 2 * b.tensor.sum() + 3 * c.tensor.sum(); }
  /// As if there were two ranks with this loss.
  void expect_sums() const {
    EXPECT_TRUE(torch::equal(buckets.gradient(0), torch::full({3}, 2.0F)));
    EXPECT_TRUE(torch::equal(buckets.gradient(1), torch::full({4}, 4.0F)));
    EXPECT_TRUE(torch::equal(buckets.gradient(2), torch::full({100'000}, 6.0F)));
  }
};

constexpr std::int64_t kUses = 3;  // which parameters were used: a number each

TEST(OverlapTest, EveryBucketIsStartedBeforeTheBackwardPassIsOver) {
  Three three;
  Recorder ranks;
  for (int update = 0; update < 3; ++update) {
    three.buckets.zero();
    ranks.started.clear();
    three.buckets.reduce_during_backward(ranks);
    three.loss().backward();
    EXPECT_EQ(ranks.started.size(), 3U);
    three.buckets.all_reduce(ranks, true);
    EXPECT_EQ(ranks.started.size(), 4U);
    three.expect_sums();
  }
}

TEST(OverlapTest, OnlyTheLastPassOfAnUpdateStartsThem) {
  Three three;
  Recorder ranks;
  three.buckets.prepare_backward();
  (0.25 * three.loss()).backward();
  EXPECT_TRUE(ranks.started.empty());
  three.buckets.prepare_backward();
  three.buckets.reduce_during_backward(ranks);
  (0.75 * three.loss()).backward();
  EXPECT_EQ(ranks.started.size(), 3U);
  three.buckets.all_reduce(ranks, true);
  three.expect_sums();
}

TEST(OverlapTest, ARankWithoutABatchOrWithoutAParameterStartsTheSameInTheSameOrder) {
  Recorder with_all, without_b, without_batch;
  Three all, one_less, none;
  all.buckets.reduce_during_backward(with_all);
  all.loss().backward();
  all.buckets.all_reduce(with_all, true);
  one_less.buckets.reduce_during_backward(without_b);
  (one_less.a.tensor.sum() + one_less.c.tensor.sum()).backward();
  EXPECT_EQ(without_b.started, (std::vector<std::int64_t>{100'000}));  // a waits for b
  one_less.buckets.all_reduce(without_b, true);
  none.buckets.all_reduce(without_batch, true);
  EXPECT_EQ(with_all.started, (std::vector<std::int64_t>{100'000, 4, 3, kUses}));
  EXPECT_EQ(without_b.started, with_all.started);
  EXPECT_EQ(without_batch.started, with_all.started);
  EXPECT_TRUE(torch::equal(one_less.buckets.gradient(1), torch::zeros({4})));
  EXPECT_FALSE(one_less.buckets.is_used(1));
}

TEST(OverlapTest, ARankThatThrewInTheMiddleMakesTheCallsOfTheOthers) {
  Three three;
  Recorder ranks;
  three.buckets.reduce_during_backward(ranks);
  three.c.tensor.sum().backward();  // and then it throws
  three.buckets.all_reduce(ranks, false);
  EXPECT_EQ(ranks.started, (std::vector<std::int64_t>{100'000, 4, 3, kUses}));
  three.buckets.zero();  // and the next update is as any other
  three.buckets.reduce_during_backward(ranks);
  three.loss().backward();
  three.buckets.all_reduce(ranks, true);
  three.expect_sums();
}

TEST(OverlapTest, AGradientThatIsWrittenAfterItWasStartedIsAnErrorThatNamesIt) {
  Three three;
  Recorder ranks;
  three.buckets.reduce_during_backward(ranks);
  three.c.tensor.sum().backward();
  try {
    three.c.tensor.sum().backward();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the gradient of c is written twice"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("parallel.overlap: false"), std::string::npos) << error.what();
  }
}

TEST(OverlapTest, BucketsAreFilledInTheOrderInWhichRank0HadItsGradientsFirst) {
  const NamedParameter a = parameter("a", 3), b = parameter("b", 4), c = parameter("c", 5), unused = parameter("d", 6);
  GradientBuckets buckets({a, b, c, unused}, 1);
  EXPECT_EQ(buckets.layout(), (std::vector<std::int64_t>{6, 5, 4, 3}));
  EXPECT_TRUE(buckets.order().empty());
  Recorder ranks;
  for (const NamedParameter* one : {&b, &a, &c}) one->tensor.sum().backward();
  buckets.all_reduce(ranks, true);
  EXPECT_EQ(buckets.order(), (std::vector<std::int64_t>{1, 0, 2, 3}));
  EXPECT_EQ(buckets.layout(), (std::vector<std::int64_t>{4, 3, 5, 6}));
  EXPECT_NEAR(buckets.squares(0, 1), 4.0 * (3 + 4 + 5), 1e-4) << "what was reduced is still there";
  GradientBuckets restored({parameter("a", 3), parameter("b", 4), parameter("c", 5), parameter("d", 6)}, 1);
  restored.set_order(buckets.order());
  EXPECT_EQ(restored.layout(), buckets.layout());
  for (const std::vector<std::int64_t>& wrong : {std::vector<std::int64_t>{0, 1}, {0, 1, 2, 2}, {0, 1, 2, 4}, {-1, 1, 2, 3}})
    EXPECT_THROW(restored.set_order(wrong), std::invalid_argument);
}

TEST(OverlapTest, AnOrderThatIsKeptIsNotAgreedOn) {
  const NamedParameter a = parameter("a", 3), b = parameter("b", 4), large = parameter("c", 100'000), d = parameter("d", 5);
  GradientBuckets buckets({a, b, large, d}, 1 << 20);
  const std::vector<std::int64_t> layout = buckets.layout();
  buckets.keep_order();
  Recorder ranks;
  for (const NamedParameter* one : {&b, &a, &large}) one->tensor.sum().backward();
  buckets.all_reduce(ranks, true);
  EXPECT_EQ(buckets.layout(), layout);
  EXPECT_EQ(buckets.order(), (std::vector<std::int64_t>{2, 3, 1, 0})) << "not that of the backward passes";
  GradientBuckets restored({parameter("a", 3), parameter("b", 4), parameter("c", 100'000), parameter("d", 5)}, 1 << 20);
  restored.set_order(buckets.order());
  EXPECT_EQ(restored.layout(), layout);
}

TEST(OverlapTest, PartsOfTheSquaredNormAddUp) {
  Three three;
  Recorder ranks;
  three.loss().backward();
  three.buckets.all_reduce(ranks, true);
  double sum = 0;
  for (int part = 0; part < 7; ++part) sum += three.buckets.squares(part, 7);
  EXPECT_NEAR(std::sqrt(sum) / three.buckets.norm(), 1, 1e-6);
}

TEST(OverlapTest, ARankKnowsThatItsOwnValuesAreNotFiniteWhereTheTransportDoesNotLook) {
  for (const bool is_during_backward : {false, true}) {
    Three three;
    Recorder ranks;
    if (is_during_backward) three.buckets.reduce_during_backward(ranks);
    three.buckets.spoil_next(true);
    three.loss().backward();
    EXPECT_EQ(three.buckets.all_reduce(ranks, true), 0);
    EXPECT_FALSE(std::isfinite(three.buckets.squares(0, 1)));
    three.buckets.zero();
    three.loss().backward();
    EXPECT_EQ(three.buckets.all_reduce(ranks, true), -1);
  }
}

}  // namespace
}  // namespace holdfast
