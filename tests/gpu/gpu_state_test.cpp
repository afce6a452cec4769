// State on a GPU, and checkpoints of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "tests/gpu/open_gpu.h"
#include "trainer/optimization/optimizer.h"
#include "trainer/state/model_state.h"
#include "trainer/state/rng.h"
#include "trainer/state/state_entry.h"

namespace holdfast {
namespace {

at::Device gpu() { return {at::kCUDA, 0}; }

std::vector<std::byte> bytes_of(const StateEntry& entry) {
  std::vector<std::byte> bytes(entry.info.bytes());
  entry.copy_to(0, bytes);
  return bytes;
}

StateEntry entry_for(const at::Tensor& tensor) { return entry_of("x", tensor, TensorKind::replicated, true); }

/// Work that the GPU is busy with for a while: what is queued behind it has not happened when the queueing call returns.
void keep_busy() {
  const at::Tensor a = at::rand({4096, 4096}, gpu());
  for (int i = 0; i < 40; ++i) at::mm(a, a);
}

TEST(GpuState, IsCopiedAsItWasAtTheMomentOfTheEntry) {
  const at::Tensor x = at::zeros({1 << 22}, gpu());
  keep_busy();
  x.fill_(5);  // the update, which the GPU has not come to yet
  const StateEntry entry = entry_for(x);
  keep_busy();  // the next batch
  std::vector<std::byte> bytes;
  std::thread copier([&] { bytes = bytes_of(entry); });  // as the engine's
  copier.join();
  x.fill_(6);  // the next update
  const std::vector<float> five(1 << 22, 5.0F);
  ASSERT_EQ(bytes.size(), five.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(bytes.data(), five.data(), bytes.size()), 0);
}

TEST(GpuState, OfAnyStridesHasTheBytesOfTheCpus) {
  const at::Tensor host = at::rand({8, 3, 5, 7}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor device = host.to(gpu());
  ASSERT_EQ(device.strides(), host.strides());
  EXPECT_EQ(bytes_of(entry_for(device)), bytes_of(entry_for(host)));
}

TEST(GpuState, IsCopiedInPartsToo) {
  const at::Tensor host = at::rand({1000});
  const StateEntry entry = entry_for(host.to(gpu()));
  std::vector<std::byte> part(400);
  entry.copy_to(1200, part);
  EXPECT_EQ(std::memcmp(part.data(), host.data_ptr<float>() + 300, part.size()), 0);
}

TEST(GpuState, IsRestoredFromHostMemoryInTheOrderOfTheComputing) {
  const at::Tensor host = at::rand({64, 64}), device = at::zeros({64, 64}, gpu()).t();
  keep_busy();
  device.fill_(1);
  entry_for(device).copy_from(0, bytes_of(entry_for(host)));
  EXPECT_TRUE(device.cpu().equal(host));
}

TEST(GpuState, HasTheHashOfTheSameModelOnTheCpu) {
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Linear(32, 64), torch::nn::BatchNorm1d(64), torch::nn::Linear(64, 8));
  const std::string on_cpu = parameter_hash(*model);
  model->to(gpu());
  EXPECT_EQ(parameter_hash(*model), on_cpu);
}

TEST(GpuRng, IsSavedAndRestored) {
  seed_generators(1, 0, 0, gpu());
  at::rand({10}, gpu());
  const std::vector<StateEntry> entries = generator_states(gpu());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].info.name, "rng/cuda");
  const std::vector<std::byte> saved = bytes_of(entries[1]);
  const at::Tensor first = at::rand({1000}, gpu()).cpu();
  EXPECT_FALSE(at::rand({1000}, gpu()).cpu().equal(first));
  generator_states(gpu())[1].copy_from(0, saved);
  EXPECT_TRUE(at::rand({1000}, gpu()).cpu().equal(first));
}

TEST(GpuOptimizer, MakesTheUpdatesOfTheCpu) {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw}) {
    std::vector<at::Tensor> results;
    for (const at::Device place : {at::Device(at::kCPU), gpu()}) {
      at::manual_seed(3);
      const at::Tensor parameter = at::rand({300, 400}).to(place).requires_grad_();
      Optimizer optimizer("main", {.type = kind, .lr = 0.1, .momentum = 0.9}, 1 << 20, {{"weight", parameter}});
      for (int step = 0; step < 3; ++step) {
        optimizer.gradients().zero();
        parameter.square().sum().backward();
        optimizer.step(0.1, 2.0);
      }
      results.push_back(parameter.detach().cpu());
    }
    EXPECT_TRUE(results[0].allclose(results[1], 1e-5, 1e-6)) << "kind " << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto device = holdfast::open_gpu({});
  std::printf("%s\n", device->description().c_str());
  return RUN_ALL_TESTS();
}
