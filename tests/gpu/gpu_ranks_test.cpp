// All-reduces between GPUs (or, for want of a second one, between ranks on one GPU): as many ranks as mpirun starts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "base/digest.h"
#include "tests/gpu/open_gpu.h"

namespace holdfast {
namespace {

Communicator* ranks = nullptr;
at::Device gpu = at::kCPU;

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

struct Type {
  ReduceType reduce;
  at::ScalarType tensor;
};
constexpr Type kTypes[] = {{ReduceType::f32, at::kFloat},
                           {ReduceType::f64, at::kDouble},
                           {ReduceType::i64, at::kLong},
                           {ReduceType::bf16, at::kBFloat16},
                           {ReduceType::f16, at::kHalf}};

/// 1 + 2 + … + size
double sum_of_ranks() { return ranks->size() * (ranks->size() + 1) / 2.0; }

TEST(GpuRanks, SumEveryType) {
  for (const Type& type : kTypes) {
    const at::Tensor x = at::full({1000}, ranks->rank() + 1, at::TensorOptions(type.tensor).device(gpu));
    ranks->all_reduce(bytes_of(x), type.reduce, ReduceOp::sum);
    EXPECT_TRUE(x.cpu().to(at::kDouble).eq(sum_of_ranks()).all().item<bool>()) << c10::toString(type.tensor);
  }
}

TEST(GpuRanks, FindTheLargestAndTheSmallest) {
  for (const auto& [op, expected] : {std::pair(ReduceOp::max, ranks->size()), std::pair(ReduceOp::min, 1)}) {
    const at::Tensor x = at::full({10}, ranks->rank() + 1, at::TensorOptions(at::kFloat).device(gpu));
    ranks->all_reduce(bytes_of(x), ReduceType::f32, op);
    EXPECT_EQ(x[3].item<float>(), static_cast<float>(expected));
  }
}

/// What is reduced is written by the GPU after start_all_reduce() was called, and read by it after finish(), without the host waiting.
TEST(GpuRanks, ReduceInTheOrderOfTheComputing) {
  const at::Tensor a = at::rand({2048, 2048}, gpu);
  for (int round = 0; round < 20; ++round) {
    std::vector<at::Tensor> buckets;
    std::vector<Communicator::Ticket> tickets;
    for (int bucket = 0; bucket < 4; ++bucket) {
      for (int i = 0; i < 5; ++i) at::mm(a, a);  // the backward pass
      buckets.push_back(at::full({100000}, ranks->rank() + bucket, at::TensorOptions(at::kFloat).device(gpu)));
      tickets.push_back(ranks->start_all_reduce(bytes_of(buckets.back()), ReduceType::f32, ReduceOp::sum));
    }
    for (int bucket = 3; bucket >= 0; --bucket) ranks->finish(tickets[static_cast<std::size_t>(bucket)]);
    const at::Tensor sums = at::stack(buckets).sum(1);  // the update
    for (int bucket = 0; bucket < 4; ++bucket) {
      const double each = ranks->size() * (ranks->size() - 1) / 2.0 + ranks->size() * bucket;
      EXPECT_FLOAT_EQ(sums[bucket].item<float>(), static_cast<float>(each * 100000)) << "round " << round;
    }
  }
}

TEST(GpuRanks, ReduceWhatLiesInTheHostsMemoryToo) {
  std::vector<double> numbers = {1, 2, 3};
  ranks->all_reduce(std::as_writable_bytes(std::span(numbers)), ReduceType::f64, ReduceOp::sum);
  EXPECT_EQ(numbers[2], 3.0 * ranks->size());
}

TEST(GpuRanks, HaveTheSameBitsOnEveryRankAndEveryTime) {
  std::vector<std::string> digests;
  for (int again = 0; again < 3; ++again) {
    at::manual_seed(static_cast<std::uint64_t>(ranks->rank()));
    const at::Tensor x = at::rand({1 << 20}).to(gpu);
    ranks->all_reduce(bytes_of(x), ReduceType::f32, ReduceOp::sum);
    const at::Tensor host = x.cpu();
    digests.push_back(to_hex(digest_of(bytes_of(host))));
  }
  EXPECT_THAT(digests, testing::Each(digests[0]));
  for (const std::string& other : ranks->gather(digests[0], 0)) EXPECT_EQ(other, digests[0]);
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;
  testing::InitGoogleTest(&argc, argv);
  const auto device = open_gpu({.share_devices = true});
  SectionTracker sections(nullptr);
  const SystemClock clock;
  const auto mpi = make_mpi_communicator(sections);
  const auto nccl = device->connect({*mpi, sections, clock, nullptr, "rank.operations.json"});
  ranks = nccl.get();
  gpu = device->place();
  if (mpi->rank() == 0) std::printf("%d ranks on %s, by %s\n", mpi->size(), device->description().c_str(), ranks->reduction().c_str());
  const int failed = RUN_ALL_TESTS();
  if (failed == 0) nccl->close();
  return failed;
}
