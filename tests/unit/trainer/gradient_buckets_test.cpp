#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "late_communicator.h"
#include "trainer/optimization/gradient_buckets.h"

namespace holdfast {
namespace {

NamedParameter parameter(const std::string& name, at::Tensor values) { return {name, values.set_requires_grad(true)}; }

at::Tensor large(float value) { return torch::full({256, 512}, value); }  // 512 KiB: reduced in place

TEST(GradientBuckets, SmallOnesArePackedAndLargeOnesReducedInPlace) {
  const auto a = parameter("a", torch::tensor({1.0f, 2.0f})), b = parameter("b", torch::ones({2, 2})), c = parameter("c", large(1));
  GradientBuckets buckets({a, b, c}, 1 << 20);
  EXPECT_EQ(buckets.layout(), (std::vector<std::int64_t>{256 * 512, 6}));
  (a.tensor.sum() * 3 + b.tensor.sum() * 5 + (c.tensor * large(7)).sum()).backward();
  const void* given = c.tensor.grad().data_ptr();
  LateCommunicator ranks;
  buckets.all_reduce(ranks, true);
  EXPECT_TRUE(torch::equal(buckets.gradient(0), torch::full({2}, 6.0f)));
  EXPECT_TRUE(torch::equal(buckets.gradient(1), torch::full({2, 2}, 10.0f)));
  EXPECT_TRUE(torch::equal(buckets.gradient(2), large(14)));
  EXPECT_EQ(buckets.gradient(2).data_ptr(), given);
  EXPECT_NEAR(buckets.norm() / std::sqrt(2 * 36.0 + 4 * 100.0 + 256 * 512 * 196.0), 1, 1e-6);
  buckets.zero();
  EXPECT_FALSE(a.tensor.grad().defined());
  EXPECT_EQ(buckets.norm(), 0.0);
}

TEST(GradientBuckets, BackwardPassesAddUpAlsoAfterAReduction) {
  const auto a = parameter("a", torch::ones({2})), b = parameter("b", torch::ones({2})), c = parameter("c", large(1));
  GradientBuckets buckets({a, b, c}, 1 << 20);
  const auto loss = [&] { return a.tensor.sum() + 2 * b.tensor.sum() + 3 * c.tensor.sum(); };
  for (int pass = 0; pass < 2; ++pass) loss().backward();
  LateCommunicator ranks;
  buckets.all_reduce(ranks, true);
  loss().backward();
  buckets.all_reduce(ranks, true);
  EXPECT_TRUE(torch::equal(buckets.gradient(0), torch::full({2}, 10.0f)));
  EXPECT_TRUE(torch::equal(buckets.gradient(1), torch::full({2}, 20.0f)));
  EXPECT_TRUE(torch::equal(buckets.gradient(2), large(30)));
}

TEST(GradientBuckets, GradientsThatShareTheirStorageAreReducedOnceEach) {
  const auto a = parameter("a", large(1)), b = parameter("b", torch::ones({256 * 512}));
  GradientBuckets buckets({a, b}, 1 << 20);
  const at::Tensor shared = large(2);
  a.tensor.mutable_grad() = shared;
  b.tensor.mutable_grad() = shared.view({-1});
  LateCommunicator ranks;
  buckets.all_reduce(ranks, true);
  EXPECT_TRUE(torch::equal(buckets.gradient(0), large(4)));
  EXPECT_TRUE(torch::equal(buckets.gradient(1), large(4).view({-1})));
}

TEST(GradientBuckets, AreCutByBytesInReverseOrderOfRegistration) {
  GradientBuckets buckets({parameter("a", torch::ones({10})), parameter("b", torch::ones({20})), parameter("c", torch::ones({30}))},
                          40 * 4);
  EXPECT_EQ(buckets.layout(), (std::vector<std::int64_t>{50, 10}));
}

TEST(GradientBuckets, ReductionsThatFinishLateAndOutOfOrderGiveTheSameSums) {
  const auto a = parameter("a", torch::ones({3})), b = parameter("b", torch::ones({4})), c = parameter("c", torch::ones({5}));
  GradientBuckets buckets({a, b, c}, 1);  // a bucket each
  ASSERT_EQ(buckets.layout().size(), 3u);
  (a.tensor.sum() + 2 * b.tensor.sum() + 3 * c.tensor.sum()).backward();
  LateCommunicator ranks;
  buckets.all_reduce(ranks, true);
  EXPECT_TRUE(torch::equal(buckets.gradient(0), torch::full({3}, 2.0f)));
  EXPECT_TRUE(torch::equal(buckets.gradient(1), torch::full({4}, 4.0f)));
  EXPECT_TRUE(torch::equal(buckets.gradient(2), torch::full({5}, 6.0f)));
}

TEST(GradientBuckets, AreFiniteUnlessOneElementIsNot) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const auto& [factors, are_finite] : std::vector<std::pair<std::vector<float>, bool>>{
           {{1, -2, 3}, true}, {{1, inf, 3}, false}, {{inf, 2, -inf}, false}, {{1, 2, std::nanf("")}, false}}) {
    const auto a = parameter("a", torch::ones({3})), untouched = parameter("b", torch::ones({3}));
    GradientBuckets buckets({a, untouched}, 1);
    EXPECT_TRUE(buckets.are_finite()) << "there are none yet";
    (a.tensor * torch::tensor(factors)).sum().backward();
    EXPECT_EQ(buckets.are_finite(), are_finite) << testing::PrintToString(factors);
  }
}

TEST(GradientBuckets, ARankWhoseBackwardFailedContributesZeros) {
  const auto a = parameter("a", torch::ones({3}));
  GradientBuckets buckets({a}, 1);
  a.tensor.sum().backward();
  LateCommunicator ranks;
  buckets.all_reduce(ranks, false);
  EXPECT_EQ(buckets.norm(), 0.0);
  EXPECT_FALSE(buckets.is_used(0));
}

TEST(GradientBuckets, AParameterThatNoLossReachedIsNotUsed) {
  const auto a = parameter("a", torch::ones({3})), b = parameter("b", torch::ones({3}));
  GradientBuckets buckets({a, b}, 1 << 20);
  a.tensor.sum().backward();
  LateCommunicator ranks;
  buckets.all_reduce(ranks, true);
  EXPECT_TRUE(buckets.is_used(0));
  EXPECT_FALSE(buckets.is_used(1));
}

TEST(GradientBuckets, PassesAddUpWhereAutogradGivesTwoParametersOneTensor) {
  const auto a = parameter("a", torch::ones({4})), b = parameter("b", torch::ones({4}));
  GradientBuckets buckets({a, b}, 1 << 20);
  for (int pass = 0; pass < 2; ++pass) {
    buckets.prepare_backward();
    (a.tensor.view({2, 2}) + b.tensor.view({2, 2})).square().sum().backward();  // 2 (a + b) = 4
  }
  EXPECT_TRUE(torch::equal(a.tensor.grad(), torch::full({4}, 8.0f)));
  EXPECT_TRUE(torch::equal(b.tensor.grad(), torch::full({4}, 8.0f)));
}

TEST(GradientBuckets, ASparseGradientIsStateAndReduced) {
  const auto a = parameter("a", torch::ones({5, 2}));
  GradientBuckets buckets({a}, 1 << 20);
  torch::embedding(a.tensor, torch::tensor({1, 3, 3}), -1, false, /*sparse=*/true).sum().backward();
  ASSERT_TRUE(a.tensor.grad().is_sparse());
  const at::Tensor expected = torch::tensor({{0.f, 0.f}, {1.f, 1.f}, {0.f, 0.f}, {2.f, 2.f}, {0.f, 0.f}});
  std::vector<float> stored(10);
  buckets.state("main").back().copy_to(0, std::as_writable_bytes(std::span(stored)));
  EXPECT_TRUE(torch::equal(torch::tensor(stored).view({5, 2}), expected));
  LateCommunicator ranks;
  buckets.all_reduce(ranks, true);
  EXPECT_TRUE(torch::equal(buckets.gradient(0), expected * 2));
}

TEST(GradientBuckets, AGradientWithAGraphOrOtherStridesIsReducedAsValues) {
  for (const at::Tensor& values : {torch::ones({3, 2}), large(1)}) {
    const auto a = parameter("a", values.clone());
    GradientBuckets buckets({a}, 1 << 20);
    LateCommunicator ranks;
    (a.tensor * a.tensor).sum().backward({}, /*retain_graph=*/true, /*create_graph=*/true);
    ASSERT_TRUE(a.tensor.grad().requires_grad());
    buckets.all_reduce(ranks, true);
    EXPECT_FALSE(buckets.gradient(0).requires_grad());
    EXPECT_TRUE(torch::equal(buckets.gradient(0), values * 4));
    a.tensor.mutable_grad() = torch::empty_like(values.t(), at::MemoryFormat::Contiguous).fill_(7.0f).t();
    buckets.all_reduce(ranks, true);
    EXPECT_TRUE(torch::equal(buckets.gradient(0), values * 14));
    EXPECT_EQ(buckets.gradient(0).strides(), values.strides());
  }
}

TEST(GradientBuckets, APartialAccumulationIsStateAndLeavesNoGradientBehind) {
  const auto a = parameter("a", torch::ones({2})), b = parameter("b", torch::ones({2}));
  GradientBuckets buckets({a, b}, 1 << 20);
  (a.tensor.sum() * 3).backward();
  buckets.add_loss(1.5, 2);
  std::map<std::string, std::vector<std::byte>> stored;
  for (const StateEntry& entry : buckets.state("main")) {
    stored[entry.info.name].resize(entry.info.bytes());
    entry.copy_to(0, stored[entry.info.name]);
  }
  buckets.prepare_backward();
  EXPECT_FALSE(b.tensor.grad().defined());

  const auto c = parameter("a", torch::ones({2})), d = parameter("b", torch::ones({2}));
  GradientBuckets restored({c, d}, 1 << 20);
  for (const StateEntry& entry : restored.state("main")) entry.copy_from(0, stored.at(entry.info.name));
  restored.prepare_backward();
  EXPECT_TRUE(torch::equal(c.tensor.grad(), torch::full({2}, 3.0f)));
  EXPECT_FALSE(d.tensor.grad().defined());
  EXPECT_EQ(restored.loss_sum(), 1.5);
  EXPECT_EQ(restored.count(), 2);
}

TEST(GradientBuckets, ChannelsLastParametersKeepTheirStrides) {
  at::Tensor weight = torch::randn({8, 4, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  GradientBuckets buckets({parameter("w", weight)}, 1 << 20);
  const at::Tensor factor = torch::randn({8, 4, 3, 3});
  (weight * factor).sum().backward();
  LateCommunicator ranks;
  buckets.all_reduce(ranks, true);
  EXPECT_EQ(buckets.gradient(0).strides(), weight.strides());
  EXPECT_TRUE(torch::equal(buckets.gradient(0), factor * 2));
}

TEST(GradientBuckets, SentWithSixteenBitsTheyAreSumsOfRoundedNumbersRoundedOnce) {
  for (const auto& [format, type] : {std::pair{NumberFormat::bf16, at::kBFloat16}, {NumberFormat::fp16, at::kHalf}}) {
    const auto a = parameter("a", torch::randn({256, 512}).contiguous()), b = parameter("b", torch::ones({3})),
               c = parameter("c", torch::ones({5}));
    GradientBuckets buckets({a, b, c}, 1 << 20);
    buckets.send_as(format);
    const at::Tensor factor = torch::randn({256, 512}), small = torch::randn({3});
    ((a.tensor * factor).sum() + (b.tensor * small).sum()).backward();
    LateCommunicator ranks;  // of two equal ranks
    buckets.all_reduce(ranks, true);
    const auto sum = [type = type](const at::Tensor& gradient) { return (gradient.to(type).to(at::kFloat) * 2).to(type).to(at::kFloat); };
    EXPECT_TRUE(torch::equal(buckets.gradient(0), sum(factor)));
    EXPECT_FALSE(torch::equal(buckets.gradient(0), factor * 2));
    EXPECT_TRUE(torch::equal(buckets.gradient(1), sum(small)));
    EXPECT_TRUE(torch::equal(buckets.gradient(2), torch::zeros({5})));
    EXPECT_TRUE(buckets.is_used(0) && buckets.is_used(1) && !buckets.is_used(2));
  }
}

}  // namespace
}  // namespace holdfast
