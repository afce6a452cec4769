// The one entry point of libholdfast_cuda.so, and the device that it opens.
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/host.h"
#include "base/log.h"
#include "cuda/device_identity.h"
#include "cuda/nccl_communicator.h"
#include "cuda/nccl_connection.h"
#include "trainer/devices/cuda_plugin.h"
#include "trainer/plugins/plugin_record.h"

namespace holdfast {
namespace {

void set_unless_given(const char* name, const char* value) { ::setenv(name, value, /*overwrite=*/0); }

/// Before cuBLAS and NCCL are used for the first time. The same sums need the same algorithms, workspaces and order.
void set_determinism(Determinism determinism) {
  at::Context& context = at::globalContext();
  const bool is_fast = determinism == Determinism::fast;
  context.setBenchmarkCuDNN(is_fast);  // measures which kernel is fastest, and so chooses another one now and then
  context.setDeterministicCuDNN(!is_fast);
  if (is_fast) return;
  context.setSDPUseMemEfficient(false);  // its backward pass adds up in any order
  set_unless_given("CUBLAS_WORKSPACE_CONFIG", ":4096:8");
  set_unless_given("NCCL_ALGO", "Ring");
}

void set_precision(const CudaOptions& options) {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(options.tf32);
  context.setAllowTF32CuDNN(options.tf32);
  context.setAllowFP16ReductionCuBLAS(options.reduced_precision_sums);
  context.setAllowBF16ReductionCuBLAS(options.reduced_precision_sums);
}

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const DeviceRequest& request) : request_(request) {
    const int devices = c10::cuda::device_count();
    if (devices == 0)
      throw ConfigError(ErrorText{.attempted = "compute on a GPU (run.device: cuda)",
                                  .expected = "a GPU",
                                  .found = "none that LibTorch's CUDA part can use",
                                  .next = "look at what nvidia-smi says of driver and GPUs, or set run.device: cpu"});
    set_determinism(request.determinism);
    index_ = static_cast<c10::DeviceIndex>(request.local_rank % devices);
    c10::cuda::set_device(index_);
    set_precision(request.options);
    if (const cudaError_t result = cudaGetDeviceProperties(&properties_, index_); result != cudaSuccess)
      throw ConfigError(ErrorText{.attempted = fmt::format("ask GPU {} what it is", index_), .cause = cudaGetErrorString(result)});
    if (const std::string built = fmt::format("{}.{}.", NCCL_MAJOR, NCCL_MINOR); !nccl_version().starts_with(built))
      log_warning("the CUDA part was built for NCCL {}{}, and {} is loaded", built, NCCL_PATCH, nccl_version());
  }

  at::Device place() const override { return {at::kCUDA, index_}; }
  std::string description() const override {
    return fmt::format("cuda:{} ({}, compute capability {}, NCCL {})", index_, properties_.name, capability(), nccl_version());
  }
  nlohmann::json facts() const override {
    int runtime = 0, driver = 0;
    cudaRuntimeGetVersion(&runtime);
    cudaDriverGetVersion(&driver);
    const auto variable = [](const char* name) { return std::string(std::getenv(name) ? std::getenv(name) : ""); };
    return {{"device", std::string(properties_.name)},
            {"compute_capability", capability()},
            {"cuda", runtime},
            {"cuda_driver", driver},
            {"cudnn", at::globalContext().versionRuntimeCuDNN()},
            {"nccl", nccl_version()},
            {"nccl_algorithm", variable("NCCL_ALGO")},
            {"cublas_workspace", variable("CUBLAS_WORKSPACE_CONFIG")}};
  }

  std::unique_ptr<Communicator> connect(const DeviceConnection& connection) override {
    settle_devices(connection.ranks);
    return make_nccl_communicator(place(), connection, request_.options.collective_seconds);
  }

 private:
  std::string capability() const { return fmt::format("{}.{}", properties_.major, properties_.minor); }

  /// The device was chosen by what the launcher said, before the ranks could ask each other. Empty: it was right.
  std::string wrong_number(Communicator& ranks) const {
    if (ranks.local_rank() == request_.local_rank || c10::cuda::device_count() == 1) return {};
    return to_string(
        ErrorText{.attempted = fmt::format("give each rank on {} a GPU of its own", host_name()),
                  .expected = fmt::format("the launcher to number rank {} as {} on its host", ranks.rank(), ranks.local_rank()),
                  .found = fmt::format("{} (OMPI_COMM_WORLD_LOCAL_RANK, PMIX_LOCAL_RANK or SLURM_LOCALID)", request_.local_rank),
                  .next = "start the ranks with mpirun or srun, or let the launcher show each rank one GPU"});
  }

  std::string identity() const {
    const auto* uuid = reinterpret_cast<const unsigned char*>(properties_.uuid.bytes);
    std::string identity = host_name() + " ";
    for (std::size_t i = 0; i < sizeof properties_.uuid.bytes; ++i) identity += fmt::format("{:02x}", uuid[i]);
    return identity;
  }

  /// Collective. What is wrong on one rank is thrown on all: the others would wait for it. NCCL refuses two ranks with one GPU, unless it
  /// takes them for ranks of two hosts.
  void settle_devices(Communicator& ranks) const {
    std::vector<std::string> devices;
    std::string wrong;
    for (const std::string& told : ranks.gather(identity() + "\n" + wrong_number(ranks), 0)) {
      const std::size_t end = told.find('\n');
      devices.push_back(told.substr(0, end));
      if (wrong.empty()) wrong = told.substr(end + 1);
    }
    wrong = broadcast_text(ranks, std::move(wrong), 0);
    if (!wrong.empty()) throw ConfigError(wrong);
    const std::string sharing = broadcast_text(ranks, sharing_ranks(devices), 0);
    if (sharing.empty()) return;
    if (!request_.options.share_devices)
      throw ConfigError(ErrorText{.attempted = "give each rank a GPU of its own",
                                  .found = fmt::format("one GPU for {}", sharing),
                                  .next = "start as many ranks as there are GPUs (-n), or, for tests, set cuda.share_devices: true"});
    if (ranks.rank() == 0) log_warning("one GPU for {} (cuda.share_devices): for tests; NCCL talks through sockets", sharing);
    ::setenv("NCCL_HOSTID", fmt::format("{}-{}", host_name(), ranks.rank()).c_str(), 1);
    ::setenv("NCCL_NET", "Socket", 1);
    ::setenv("NCCL_P2P_DISABLE", "1", 1);
    ::setenv("NCCL_SHM_DISABLE", "1", 1);
  }

  DeviceRequest request_;
  c10::DeviceIndex index_ = 0;
  cudaDeviceProp properties_{};
};

}  // namespace

extern "C" [[gnu::visibility("default")]] Device* holdfast_open_cuda_device(const DeviceRequest& request) {
  return new CudaDevice(request);
}

}  // namespace holdfast
