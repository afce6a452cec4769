// What goes into a snapshot comes out of it.
#include <gtest/gtest.h>

#include <torch/torch.h>
#include <cmath>
#include <limits>

#include "trainer/state/provenance.h"
#include "trainer/state/rng.h"
#include "trainer/state/run_state.h"
#include "trainer/state/state_entry.h"

namespace holdfast {
namespace {

std::vector<std::byte> bytes_of(const StateEntry& entry) {
  std::vector<std::byte> bytes(entry.info.bytes());
  entry.copy_to(0, bytes);
  return bytes;
}

TEST(StateEntry, CopiesRowMajorWhateverTheStrides) {
  const at::Tensor plain = torch::randn({2, 3, 4, 5}), strided = plain.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(bytes_of(entry_of("a", plain, TensorKind::replicated, true)), bytes_of(entry_of("b", strided, TensorKind::replicated, true)));
  const at::Tensor target = torch::zeros_like(strided);
  const auto bytes = bytes_of(entry_of("a", plain, TensorKind::replicated, true));
  const StateEntry entry = entry_of("t", target, TensorKind::replicated, true);
  const std::size_t half = bytes.size() / 8 * 4;
  entry.copy_from(half, std::span(bytes).subspan(half));  // in two parts, the second first
  entry.copy_from(0, std::span(bytes).first(half));
  EXPECT_TRUE(torch::equal(target, plain));
}

TEST(StateEntry, KnowsEveryDtypeThatCheckpointsHave) {
  for (const at::ScalarType type :
       {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kBFloat16, at::kFloat, at::kDouble, at::kBool}) {
    const at::Tensor values = torch::randint(0, 2, {7}, at::kLong).to(type), target = torch::zeros({7}, type);
    entry_of("t", target, TensorKind::replicated, true).copy_from(0, bytes_of(entry_of("v", values, TensorKind::replicated, true)));
    EXPECT_TRUE(torch::equal(values, target)) << c10::toString(type);
  }
  EXPECT_THROW(entry_of("c", torch::zeros({1}, at::kComplexFloat), TensorKind::replicated, true), std::invalid_argument);
}

TEST(Generators, RestoringGoesOnWithTheSameDraws) {
  seed_generators(1, 0, 0, at::kCPU);
  torch::rand({17});
  const auto state = bytes_of(generator_states(at::kCPU).front());
  const at::Tensor expected = torch::rand({100});
  seed_generators(2, 1, 0, at::kCPU);
  EXPECT_FALSE(torch::equal(torch::rand({100}), expected));
  generator_states(at::kCPU).front().copy_from(0, state);
  EXPECT_TRUE(torch::equal(torch::rand({100}), expected));
}

TEST(Generators, EveryRankAndStepDrawsItsOwn) {
  std::vector<at::Tensor> draws;
  for (const auto& [rank, step] : {std::pair{0, 0}, {1, 0}, {1, 50}}) {
    seed_generators(1, rank, step, at::kCPU);
    draws.push_back(torch::rand({4}));
  }
  EXPECT_FALSE(torch::equal(draws[0], draws[1]));
  EXPECT_FALSE(torch::equal(draws[1], draws[2]));
}

TEST(RunState, SurvivesJsonExactly) {
  const RunState state{
      .global_step = 1'000'000'007,
      .batch_index = 3,
      .samples_seen = 9'007'199'254'740'993,
      .window_loss_sum = 0.1 + 0.2,
      .window_count = 5,
      .optimizer_updates = {{"d", 2}, {"g", 1}},
      .validations = {{7, {{"loss", 1.0 / 3}, {"accuracy", 0.875}}}, {14, {{"loss", std::numeric_limits<double>::infinity()}}, "ema"}},
      .callbacks = {{"early", {{"type", "early_stopping"}, {"state", {{"waited", 2}}}}}},
      .owes_validation = true};
  const RunState back = run_state_from_json(nlohmann::json::parse(to_json(state).dump()));
  EXPECT_EQ(back.global_step, state.global_step);
  EXPECT_EQ(back.samples_seen, state.samples_seen);
  EXPECT_EQ(back.window_loss_sum, state.window_loss_sum);
  EXPECT_EQ(back.optimizer_updates, state.optimizer_updates);
  ASSERT_EQ(back.validations.size(), 2u);
  EXPECT_EQ(back.validations[0].metrics, state.validations[0].metrics);
  EXPECT_TRUE(std::isinf(back.validations[1].metrics.at("loss")));  // JSON has no word for it
  EXPECT_EQ(back.callbacks, state.callbacks);
  EXPECT_TRUE(back.owes_validation);
}

TEST(RunState, WhatIsNoListOfValidationsIsRefused) {
  nlohmann::json stored = to_json(RunState{});
  stored["validations"] = nullptr;
  EXPECT_THROW(run_state_from_json(stored), std::invalid_argument);
}

TEST(Differences, AreListedByTheirPath) {
  const auto then = nlohmann::json::parse(R"({"trainer": {"max_steps": 100, "clip_norm": null}})");
  const auto now = nlohmann::json::parse(R"({"trainer": {"max_steps": 200, "clip_norm": null}})");
  EXPECT_EQ(option_differences(then, now), std::vector<std::string>{"trainer.max_steps: 100 -> 200"});
  EXPECT_TRUE(option_differences(now, now).empty());
}

}  // namespace
}  // namespace holdfast
