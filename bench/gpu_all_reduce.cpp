// Time of an all-reduce between GPUs (float32, sum, in place) by size of the message, as bench/peers/allreduce.py measures NCCL's through
// PyTorch: one JSON line for each size, the median over calls that begin together and end when the GPU has the sum.
//
//   mpirun -n 2 holdfast-bench-gpu-all-reduce KIB...
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/environment.h"
#include "base/error.h"
#include "base/log.h"
#include "trainer/devices/cuda_plugin.h"

namespace {

using namespace holdfast;

constexpr int kRepeat = 40;

double median_seconds(Communicator& ranks, at::Device place, std::int64_t kib) {
  const at::Tensor data = at::ones({kib * 256}, at::TensorOptions(at::kFloat).device(place));
  const std::span bytes(static_cast<std::byte*>(data.mutable_data_ptr()), static_cast<std::size_t>(data.nbytes()));
  const SystemClock clock;
  std::vector<double> seconds;
  for (int i = 0; i < kRepeat; ++i) {
    ranks.barrier();
    const double start = clock.seconds();
    ranks.all_reduce(bytes, ReduceType::f32, ReduceOp::sum);
    data[0].item<float>();  // the GPU is there
    seconds.push_back(clock.seconds() - start);
    data.div_(ranks.size());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRepeat / 2, seconds.end());
  return seconds[kRepeat / 2];
}

int measure(const std::vector<std::int64_t>& sizes_kib) {
  std::string note;
  const auto device = open_device(DeviceChoice::cuda, {.local_rank = environment::launcher_local_rank()}, default_cuda_parts(), note);
  SectionTracker sections(nullptr);
  const SystemClock clock;
  const auto hosts = make_mpi_communicator(sections);
  const auto ranks = device->connect({*hosts, sections, clock, nullptr, "rank.operations.json"});
  for (const std::int64_t kib : sizes_kib) {
    const double seconds = median_seconds(*ranks, device->place(), kib);
    if (ranks->rank() == 0) fmt::print("{{\"kib\": {}, \"milliseconds\": {:.4f}}}\n", kib, seconds * 1e3);
  }
  ranks->close();
  return kExitOk;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2)
    throw UsageError("holdfast-bench-gpu-all-reduce: expected sizes in KiB\n  next: mpirun -n 2 holdfast-bench-gpu-all-reduce 4 25600");
  std::vector<std::int64_t> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::strtoll(argv[i], nullptr, 10));
  return measure(sizes);
} catch (const Error& error) {
  log_error("{}", error.what());
  return error.exit_code();
}
