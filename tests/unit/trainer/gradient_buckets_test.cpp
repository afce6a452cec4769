#include <gtest/gtest.h>
#include <torch/torch.h>

#include "late_communicator.h"
#include "trainer/gradient_buckets.h"

namespace holdfast {
namespace {

NamedParameter parameter(const std::string& name, at::Tensor values) { return {name, values.set_requires_grad(true)}; }

TEST(GradientBuckets, GradientsAreViewsThatABackwardPassFills) {
  const auto a = parameter("a", torch::tensor({1.0f, 2.0f})), b = parameter("b", torch::ones({2, 2}));
  GradientBuckets buckets({a, b}, 1 << 20);
  (a.tensor.sum() * 3 + b.tensor.sum() * 5).backward();
  EXPECT_TRUE(torch::equal(buckets.gradient(0), torch::full({2}, 3.0f)));
  EXPECT_TRUE(torch::equal(buckets.gradient(1), torch::full({2, 2}, 5.0f)));
  EXPECT_EQ(buckets.layout(), std::vector<std::int64_t>{6});
  buckets.zero();
  EXPECT_EQ(a.tensor.grad().abs().sum().item<float>(), 0.0f);
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

TEST(GradientBuckets, AReplacedGradientIsTakenBackIntoTheBucket) {
  at::Tensor values = torch::ones({3});
  const auto a = parameter("a", values);
  GradientBuckets buckets({a}, 1 << 20);
  (values * values).sum().backward({}, /*retain_graph=*/true, /*create_graph=*/true);  // replaces .grad
  values.mutable_grad() = torch::full({3}, 7.0f);
  buckets.reseat();
  EXPECT_TRUE(values.grad().is_same(buckets.gradient(0)) || values.grad().data_ptr() == buckets.gradient(0).data_ptr());
  EXPECT_TRUE(torch::equal(buckets.gradient(0), torch::full({3}, 7.0f)));
  values.mutable_grad() = at::Tensor();
  buckets.reseat();
  EXPECT_EQ(buckets.norm(), 0.0);
}

TEST(GradientBuckets, ChannelsLastParametersKeepTheirStrides) {
  at::Tensor weight = torch::randn({8, 4, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  GradientBuckets buckets({parameter("w", weight)}, 1 << 20);
  const at::Tensor factor = torch::randn({8, 4, 3, 3});
  (weight * factor).sum().backward();
  EXPECT_EQ(buckets.gradient(0).strides(), weight.strides());
  EXPECT_TRUE(torch::equal(buckets.gradient(0), factor));
}

}  // namespace
}  // namespace holdfast
