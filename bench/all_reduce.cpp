// Time of an all-reduce of float32 by size of the message, as bench/peers/allreduce.py measures gloo's: in place, the values written
// just before, each begun together. The memory is the communicator's, as that of gradients is, or the process's own (`own`).
//
//   mpirun -n 2 holdfast-bench-all-reduce shared_memory|own|mpi REPEAT KIB...
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/section.h"
#include "dist/communicator.h"

namespace holdfast {
namespace {

double median_seconds(Communicator& ranks, std::span<float> values, int repeat) {
  const SystemClock clock;
  std::vector<double> seconds;
  for (int i = 0; i < repeat; ++i) {
    std::fill(values.begin(), values.end(), 1.0F);
    ranks.barrier();
    const double start = clock.seconds();
    ranks.all_reduce(std::as_writable_bytes(values), ReduceType::f32, ReduceOp::sum);
    seconds.push_back(clock.seconds() - start);
    if (values.front() != static_cast<float>(ranks.size()) || values.back() != values.front()) {
      fmt::print(stderr, "a wrong sum: {} and {}\n", values.front(), values.back());
      std::exit(1);
    }
  }
  std::nth_element(seconds.begin(), seconds.begin() + repeat / 2, seconds.end());
  return seconds[static_cast<std::size_t>(repeat) / 2];
}

int run(const std::string& kind, int repeat, const std::vector<std::size_t>& sizes_kib) {
  SectionTracker sections(nullptr);
  const auto ranks = make_mpi_communicator(sections, kind == "mpi" ? HostTransport::mpi : HostTransport::shared_memory);
  for (const std::size_t kib : sizes_kib) {
    std::vector<float> own(kib * 1024 / sizeof(float));
    const std::shared_ptr<std::byte> memory = kind == "shared_memory" ? ranks->allocate(kib * 1024) : nullptr;
    const std::span<float> values = memory ? std::span(reinterpret_cast<float*>(memory.get()), own.size()) : std::span(own);
    const double seconds = median_seconds(*ranks, values, repeat);
    if (ranks->rank() == 0)
      fmt::print("{{\"reduction\": \"{}\", \"memory\": \"{}\", \"world\": {}, \"kib\": {}, \"milliseconds\": {:.5f}}}\n",
                 ranks->reduction(), memory ? "shared" : "own", ranks->size(), kib, seconds * 1e3);
  }
  ranks->close();
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  std::vector<std::size_t> sizes;
  for (int i = 3; i < argc; ++i) sizes.push_back(std::strtoul(argv[i], nullptr, 10));
  const std::string kind = argc > 1 ? argv[1] : "";
  const int repeat = argc > 2 ? std::atoi(argv[2]) : 0;
  if ((kind != "shared_memory" && kind != "own" && kind != "mpi") || repeat < 1 || sizes.empty()) {
    fmt::print(stderr, "usage: mpirun -n 2 holdfast-bench-all-reduce shared_memory|own|mpi REPEAT KIB...\n");
    return 64;
  }
  return holdfast::run(kind, repeat, sizes);
}
