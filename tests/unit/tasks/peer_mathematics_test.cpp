// Loss, gradients and three optimizer steps of each task against PyTorch (tests/fixtures/README.md has the formulas).
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "dist/communicator.h"
#include "tasks/gpt.h"
#include "tasks/image_classifier.h"
#include "trainer/training_step.h"

namespace holdfast {
namespace {

using nlohmann::json;

std::uint32_t hashed(std::uint32_t stream, std::uint32_t index) {
  std::uint32_t x = index * 0x9E3779B9u + stream * 0x85EBCA6Bu + 1u;
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x *= 0xC2B2AE35u;
  return x ^ (x >> 16);
}

float unit(std::uint32_t stream, std::uint32_t index) { return static_cast<float>((hashed(stream, index) >> 8) * 0x1p-23 - 1.0); }

/// A tensor whose element i is f(i).
template <class T, class F>
at::Tensor filled(std::vector<std::int64_t> shape, at::ScalarType type, const F& f) {
  at::Tensor tensor = torch::empty(shape, type);
  T* data = tensor.data_ptr<T>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) data[i] = f(static_cast<std::uint32_t>(i));
  return tensor;
}

void fill_parameters(torch::nn::Module& model) {
  const torch::NoGradGuard no_grad;
  std::uint32_t p = 0;
  for (auto& item : model.named_parameters()) {
    at::Tensor& parameter = item.value();
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(parameter.numel()) / static_cast<double>(parameter.size(0))));
    const bool is_bias = item.key().ends_with("bias");
    parameter.copy_(filled<float>(parameter.sizes().vec(), torch::kFloat, [&](std::uint32_t i) {
      return parameter.dim() > 1 ? scale * unit(p, i) : is_bias ? 0.1f * unit(p, i) : 1.0f + 0.1f * unit(p, i);
    }));
    ++p;
  }
}

std::unique_ptr<Task> make_task(const json& fixture) {
  const std::string name = fixture["task"];
  const double smoothing = fixture.value("label_smoothing", 0.0);
  if (name == "mlp") return make_mlp({.label_smoothing = smoothing});
  if (name == "cnn") return make_cnn({.dropout = {0, 0}, .label_smoothing = smoothing});
  return make_gpt({.context = fixture["model"].at("context"),
                   .layers = fixture["model"].at("layers"),
                   .width = fixture["model"].at("width"),
                   .heads = fixture["model"].at("heads")});
}

Batch make_batch(const json& fixture) {
  const std::string name = fixture["task"];
  const std::int64_t n = fixture["batch"];
  if (name == "gpt") {
    const std::int64_t context = fixture["model"].at("context");
    return {{filled<std::int64_t>({n, context + 1}, torch::kLong, [](std::uint32_t i) { return hashed(1000, i) % 256; })}, n};
  }
  const std::vector<std::int64_t> shape = name == "mlp" ? std::vector<std::int64_t>{n, 784} : std::vector<std::int64_t>{n, 1, 28, 28};
  return {{filled<float>(shape, torch::kFloat, [](std::uint32_t i) { return unit(1000, i); }),
           filled<std::int64_t>({n}, torch::kLong, [](std::uint32_t i) { return hashed(1001, i) % 10; })},
          n};
}

/// The whole batch again and again, in micro-batches.
class FixedLoader final : public BatchLoader {
 public:
  FixedLoader(Batch whole, std::vector<std::int64_t> sizes) : whole_(std::move(whole)), sizes_(std::move(sizes)) {}
  std::int64_t epoch_samples() const override { return whole_.samples; }
  void seek(std::int64_t) override {}
  std::int64_t next_global_samples() const override { return sizes_[next_]; }
  Batch next() override {
    Batch part{.samples = sizes_[next_]};
    for (const at::Tensor& field : whole_.fields) part.fields.push_back(field.narrow(0, at_, part.samples));
    at_ = (at_ + part.samples) % whole_.samples;
    next_ = (next_ + 1) % sizes_.size();
    return part;
  }

 private:
  Batch whole_;
  std::vector<std::int64_t> sizes_;
  std::size_t next_ = 0;
  std::int64_t at_ = 0;
};

Configuration configuration_of(const json& fixture) {
  Configuration configuration;
  const json& optimizer = fixture["optimizer"];
  OptimizerOptions& options = configuration.optimizers["main"];
  options.type = optimizer["kind"] == "sgd" ? OptimizerKind::sgd : OptimizerKind::adamw;
  options.lr = optimizer["lr"];
  options.momentum = optimizer.value("momentum", 0.0);
  options.weight_decay = optimizer.value("weight_decay", 0.0);
  if (optimizer.contains("betas")) options.betas = optimizer["betas"].get<std::vector<double>>();
  if (optimizer.contains("eps")) options.eps = optimizer["eps"];
  if (!fixture["clip_norm"].is_null()) configuration.trainer.clip_norm = fixture["clip_norm"].get<double>();
  configuration.trainer.accumulate_batches = static_cast<std::int64_t>(fixture["micro_batches"].size());
  return configuration;
}

void expect_tensor(const at::Tensor& tensor, const json& expected) {
  const at::Tensor flat = tensor.detach().contiguous().view({-1}).to(torch::kDouble);
  const double tolerance = expected["tolerance"], norm = expected["norm"], root = std::sqrt(static_cast<double>(flat.numel()));
  const std::string name = expected["name"];
  EXPECT_NEAR(flat.norm().item<double>(), norm, tolerance * norm) << name;
  EXPECT_NEAR(flat.sum().item<double>(), expected["sum"].get<double>(), tolerance * norm * root) << name;
  for (const json& sample : expected["samples"]) {
    const double value = sample[1];
    EXPECT_NEAR(flat[sample[0].get<std::int64_t>()].item<double>(), value, tolerance * std::max(std::abs(value), norm / root)) << name;
  }
}

class PeerMathematics : public testing::TestWithParam<const char*> {};

TEST_P(PeerMathematics, LossGradientsAndThreeStepsAreThoseOfPyTorch) {
  torch::set_num_threads(1);
  std::ifstream file(std::string(HOLDFAST_FIXTURES) + "/" + GetParam() + ".json");
  const json fixture = json::parse(file);
  const std::unique_ptr<Task> task = make_task(fixture);
  fill_parameters(task->model());
  const Configuration configuration = configuration_of(fixture);
  std::vector<NamedParameter> parameters;
  for (const auto& item : task->model().named_parameters()) parameters.push_back({item.key(), item.value()});
  Optimization optimization(configuration, parameters);
  const auto ranks = make_local_communicator();
  SectionTracker sections(nullptr);
  FixedLoader loader(make_batch(fixture), fixture["micro_batches"].get<std::vector<std::int64_t>>());
  TrainingStep step({*ranks, sections, *task, loader, optimization, configuration.trainer.accumulate_batches});

  RunState state;
  for (std::size_t i = 0; i < fixture["steps"].size(); ++i) {
    const Vote facts = step.run(state);
    const double loss = fixture["steps"][i]["loss"];
    EXPECT_NEAR(facts.loss_sum / static_cast<double>(facts.count), loss, 1e-5 * std::abs(loss)) << "step " << i;
    if (i > 0) continue;
    // The fused kernels have divided and clipped the gradients in place.
    std::map<std::string, at::Tensor> gradients;
    for (const NamedParameter& parameter : parameters) gradients[parameter.name] = parameter.tensor.grad();
    for (const json& expected : fixture["gradients"]) expect_tensor(gradients.at(expected["name"]), expected);
  }
  std::map<std::string, at::Tensor> values;
  for (const NamedParameter& parameter : parameters) values[parameter.name] = parameter.tensor;
  ASSERT_EQ(values.size(), fixture["parameters"].size());
  for (const json& expected : fixture["parameters"]) expect_tensor(values.at(expected["name"]), expected);
  EXPECT_EQ(state.global_step, 3);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, PeerMathematics,
                         testing::Values("mlp", "mlp_label_smoothing", "mlp_clipping", "mlp_accumulation", "cnn", "gpt",
                                         "gpt_accumulation_clipping"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace holdfast
