#include "trainer/accuracy.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <limits>

namespace holdfast {
namespace {

double hits(const at::Tensor& scores, const at::Tensor& labels, std::int64_t k) {
  return measure_accuracy(scores, labels, {k}).at("top" + std::to_string(k) + "_accuracy").sum;
}

TEST(Accuracy, CountsThoseWhoseClassIsAmongTheHighest) {
  const at::Tensor scores = torch::tensor({{1.0, 2.0, 3.0, 4.0}, {4.0, 3.0, 2.0, 1.0}, {1.0, 4.0, 3.0, 2.0}}),
                   labels = torch::tensor({3, 2, 3});
  EXPECT_EQ(measure_accuracy(scores, labels).at("accuracy").sum, 1);
  EXPECT_EQ(measure_accuracy(scores, labels).at("accuracy").count, 3);
  EXPECT_EQ(hits(scores, labels, 2), 1);
  EXPECT_EQ(hits(scores, labels, 3), 3);
}

TEST(Accuracy, AgreesWithPyTorchsArgmaxAndTopk) {
  torch::manual_seed(1);
  const at::Tensor scores = torch::randn({500, 20}), labels = torch::randint(0, 20, {500}, torch::kLong);
  EXPECT_EQ(measure_accuracy(scores, labels).at("accuracy").sum, scores.argmax(1).eq(labels).sum().item<double>());
  const at::Tensor best = std::get<1>(scores.topk(5, 1));
  EXPECT_EQ(hits(scores, labels, 5), best.eq(labels.unsqueeze(1)).any(1).sum().item<double>());
}

TEST(Accuracy, OfEqualScoresTheLowerClassIsAhead) {
  const at::Tensor scores = torch::zeros({4, 4}), labels = torch::tensor({0, 1, 2, 3});
  EXPECT_EQ(measure_accuracy(scores, labels).at("accuracy").sum, 1);
  EXPECT_EQ(hits(scores, labels, 2), 2);
}

TEST(Accuracy, AScoreThatIsNoNumberIsNeverRight) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor scores = torch::tensor({{none, none, none}, {none, 2.0, 1.0}, {none, 2.0, 1.0}});
  EXPECT_EQ(measure_accuracy(scores, torch::tensor({0, 0, 1})).at("accuracy").sum, 0);
  EXPECT_EQ(hits(scores, torch::tensor({0, 0, 1}), 2), 1) << "behind the one that is no number";
}

TEST(Accuracy, ANegativeLabelCountsForNothing) {
  const MetricSum sum = measure_accuracy(torch::tensor({{2.0, 1.0}, {2.0, 1.0}}), torch::tensor({-100, 0})).at("accuracy");
  EXPECT_EQ(sum.sum, 1);
  EXPECT_EQ(sum.count, 1);
}

TEST(Accuracy, ClassesAreTheSecondDimensionAsInPyTorchsCrossEntropy) {
  const at::Tensor scores = torch::randn({2, 5, 3, 4}), labels = torch::randint(0, 5, {2, 3, 4}, torch::kLong);
  const MetricSum sum = measure_accuracy(scores, labels).at("accuracy");
  EXPECT_EQ(sum.sum, scores.argmax(1).eq(labels).sum().item<double>());
  EXPECT_EQ(sum.count, 24);
}

TEST(Accuracy, IsNamedByItsK) {
  std::vector<std::string> names;
  for (const Metric& metric : accuracy_metrics({5, 3})) names.push_back(metric.name);
  EXPECT_THAT(names, testing::ElementsAre("accuracy", "top5_accuracy", "top3_accuracy"));
}

}  // namespace
}  // namespace holdfast
