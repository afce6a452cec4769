// Averages of weights and functions of them: what they are, and that the model does not notice.
#include <gmock/gmock.h>

#include <torch/torch.h>

#include "trainer/state/model_state.h"
#include "trainer/weights/built_in_transforms.h"
#include "trainer/weights/weight_copies.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Model final : torch::nn::Module {
  Model() {
    weight = register_parameter("weight", torch::randn({300, 200}));
    running = register_buffer("running", torch::randn({7}));
    seen = register_buffer("seen", torch::tensor({3, 4}, torch::kLong));
  }
  at::Tensor weight, running, seen;
};

std::vector<std::byte> bytes_of(const StateEntry& entry) {
  std::vector<std::byte> bytes(entry.info.bytes());
  entry.copy_to(0, bytes);
  return bytes;
}

at::Tensor values_of(const StateEntry& entry) {
  const std::vector<std::byte> bytes = bytes_of(entry);
  at::Tensor tensor = at::empty(entry.info.shape, scalar_type_of(entry.info.dtype));
  std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

class Copies : public testing::Test {
 protected:
  Copies() { register_built_in_transforms(registry_); }
  WeightCopies make(std::map<std::string, TransformOptions> transforms) {
    configuration_.transforms = std::move(transforms);
    return WeightCopies(configuration_, registry_, {}, model_);
  }
  /// A copy, as a save would make it: the parameter, the two buffers.
  static std::vector<at::Tensor> made(const WeightCopies& copies, const std::string& name) {
    for (const TransformedWeights& transform : copies.transforms()) {
      if (transform.name != name) continue;
      std::vector<at::Tensor> tensors;
      for (const StateEntry& entry : transform.entries()) tensors.push_back(values_of(entry));
      return tensors;
    }
    throw std::logic_error("no copy " + name);
  }
  void train() {
    const torch::NoGradGuard no_grad;
    model_.weight.add_(torch::randn_like(model_.weight));
    model_.running.add_(1);
    model_.seen.add_(1);
  }
  Model model_;
  Configuration configuration_;
  Registry registry_;
};

TEST_F(Copies, AnAverageIsTheWeightsUpToItsStartAndLagsBehindThen) {
  WeightCopies copies = make({{"ema", {.type = "ema", .decay = 0.75, .every_steps = 2, .start_step = 3}}});
  at::Tensor weight, running;
  for (std::int64_t step = 1; step <= 8; ++step) {
    train();
    copies.update(step);
    if (step <= 3) {
      weight = model_.weight.detach().clone();
      running = model_.running.clone();
    } else if (step == 5 || step == 7) {
      weight = 0.75 * weight + 0.25 * model_.weight.detach();
      running = 0.75 * running + 0.25 * model_.running;
    }
    const std::vector<at::Tensor> average = made(copies, "ema");
    EXPECT_TRUE(torch::allclose(average[0], weight, 1e-5, 1e-6)) << step;
    EXPECT_TRUE(torch::allclose(average[1], running, 1e-5, 1e-6)) << step;
    EXPECT_TRUE(torch::equal(average[2], model_.seen)) << "integers stay as they are";
  }
}

TEST_F(Copies, AnAverageIsStateThatComesBackAndGoesOnWithTheSameBits) {
  WeightCopies copies = make({{"ema", {.type = "ema", .decay = 0.9}}});
  for (std::int64_t step = 1; step <= 4; ++step) train(), copies.update(step);
  std::vector<std::vector<std::byte>> stored;
  std::vector<std::string> names;
  for (const StateEntry& entry : copies.state()) {
    stored.push_back(bytes_of(entry));
    names.push_back(entry.info.name);
    EXPECT_TRUE(entry.changes_only_in_update);
  }
  EXPECT_THAT(names, ElementsAre("averages/ema/model/weight", "averages/ema/model/running"));
  const at::Tensor weight = model_.weight.detach().clone();
  train(), copies.update(5);
  const at::Tensor expected = made(copies, "ema")[0];
  {
    const torch::NoGradGuard no_grad;
    const at::Tensor later = model_.weight.detach().clone();
    model_.weight.copy_(weight);
    WeightCopies other = make({{"ema", {.type = "ema", .decay = 0.9}}});
    EXPECT_THAT(other.reset_missing({}), ElementsAre("ema"));
    const std::vector<StateEntry> targets = other.state();
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i].copy_from(0, stored[i]);
    EXPECT_THAT(other.reset_missing({targets[0].info, targets[1].info}), ElementsAre());
    model_.weight.copy_(later);
    other.update(5);
    EXPECT_TRUE(torch::equal(made(other, "ema")[0], expected));
  }
}

TEST_F(Copies, WhatACheckpointLacksOfAnAverageBeginsWithTheWeights) {
  WeightCopies copies = make({{"ema", {.type = "ema", .decay = 0.9}}});
  train(), copies.update(1);
  train(), copies.update(2);
  const std::vector<at::Tensor> before = made(copies, "ema");
  EXPECT_THAT(copies.reset_missing({copies.state()[0].info}), ElementsAre("ema (of running)"));
  EXPECT_TRUE(torch::equal(made(copies, "ema")[0], before[0]));
  EXPECT_FALSE(torch::equal(before[1], model_.running));
  EXPECT_TRUE(torch::equal(made(copies, "ema")[1], model_.running));
}

TEST_F(Copies, InTheModelAnAverageLeavesWhatASaveIsCopyingAlone) {
  WeightCopies copies = make({{"ema", {.type = "ema", .decay = 0.9}}});
  train(), copies.update(1);
  train(), copies.update(2);
  const std::string before = parameter_hash(model_);
  const std::vector<StateEntry> saving = model_entries(model_);
  const std::vector<std::byte> weight = bytes_of(saving[0]);
  const float* memory = model_.weight.data_ptr<float>();
  {
    const auto measured = copies.put_into_model("ema");
    EXPECT_NE(parameter_hash(model_), before);
    EXPECT_TRUE(torch::equal(model_.weight.detach(), made(copies, "ema")[0]));
    EXPECT_EQ(bytes_of(saving[0]), weight);
  }
  EXPECT_EQ(parameter_hash(model_), before);
  EXPECT_EQ(model_.weight.data_ptr<float>(), memory);
  EXPECT_TRUE(model_.weight.requires_grad());
  EXPECT_EQ(copies.put_into_model(""), nullptr);
}

TEST_F(Copies, FunctionsAreOfEachElementAndOfTheirSource) {
  WeightCopies copies = make({{"ema", {.type = "ema", .decay = 0.9}},
                              {"bf16", {.type = "half"}},
                              {"fp16", {.type = "half", .of = "ema", .precision = HalfType::fp16}},
                              {"third", {.type = "scale", .factor = 1.0 / 3}}});
  train(), copies.update(1);
  train(), copies.update(2);
  const std::string before = parameter_hash(model_);
  EXPECT_TRUE(torch::equal(made(copies, "bf16")[0], model_.weight.detach().to(torch::kBFloat16)));
  EXPECT_TRUE(torch::equal(made(copies, "fp16")[0], made(copies, "ema")[0].to(torch::kHalf)));
  EXPECT_TRUE(torch::equal(made(copies, "third")[0], model_.weight.detach() * (1.0 / 3)));
  for (const char* name : {"bf16", "fp16", "third"}) EXPECT_TRUE(torch::equal(made(copies, name)[2], model_.seen)) << name;
  EXPECT_EQ(parameter_hash(model_), before);
}

TEST_F(Copies, WhatATransformMakesIsHeldAgainstWhatItSaid) {
  struct Short final : Transform {
    at::Tensor apply(const WeightSlice& slice) const override { return slice.values.narrow(0, 0, 1); }
  };
  struct Integers final : Transform {
    at::ScalarType dtype(at::ScalarType) const override { return at::kLong; }
    at::Tensor apply(const WeightSlice& slice) const override { return slice.values; }
  };
  const StateEntry weight = model_entries(model_)[0];
  EXPECT_THAT([&] { bytes_of(transformed(weight, std::make_shared<Short>())); },
              testing::ThrowsMessage<std::runtime_error>(
                  HasSubstr("the transform made Float [1] of 32768 elements of weight, expected Float [32768]")));
  EXPECT_THAT([&] { transformed(weight, std::make_shared<Integers>()); },
              testing::ThrowsMessage<std::runtime_error>(HasSubstr("a transform makes Long of weight")));
}

TEST_F(Copies, WhateverATransformThrowsIsAnErrorWithAText) {
  struct Throwing final : Transform {
    explicit Throwing(bool in_dtype) : in_dtype_(in_dtype) {}
    at::ScalarType dtype(at::ScalarType type) const override { return in_dtype_ ? throw 1 : type; }
    at::Tensor apply(const WeightSlice&) const override { throw 1; }
    bool in_dtype_;
  };
  const StateEntry weight = model_entries(model_)[0];
  const auto is_told = testing::ThrowsMessage<std::runtime_error>(HasSubstr("the transform threw what is no std::exception, at weight"));
  EXPECT_THAT([&] { bytes_of(transformed(weight, std::make_shared<Throwing>(false))); }, is_told);
  EXPECT_THAT([&] { transformed(weight, std::make_shared<Throwing>(true)); }, is_told);
}

TEST(StateEntry, ConvertsOnTheWayInInAnyParts) {
  const at::Tensor stored = torch::randn({1000}).to(torch::kBFloat16), target = torch::zeros({10, 100});
  const std::vector<std::byte> bytes = bytes_of(entry_of("s", stored, TensorKind::replicated, true));
  const StateEntry entry = converting_entry_of("t", target, TensorKind::replicated, DType::bf16);
  entry.copy_from(600, std::span(bytes).subspan(600));
  entry.copy_from(0, std::span(bytes).first(600));
  EXPECT_TRUE(torch::equal(target.flatten(), stored.to(torch::kFloat)));
}

}  // namespace
}  // namespace holdfast
