#include "cuda/nccl_communicator.h"

#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <optional>

#include "base/error.h"
#include "base/flight_record.h"
#include "base/log.h"
#include "cuda/nccl_connection.h"
#include "cuda/operation_marks.h"
#include "dist/reduction_kernel.h"
#include "dist/stream_order.h"
#include "dist/tear_down.h"
#include "trainer/devices/device_streams.h"

namespace holdfast {
namespace {

constexpr std::chrono::milliseconds kWatchInterval{50};

ncclDataType_t nccl_type(ReduceType type) {
  switch (type) {
    case ReduceType::f32: return ncclFloat32;
    case ReduceType::f64: return ncclFloat64;
    case ReduceType::i64: return ncclInt64;
    case ReduceType::bf16: return ncclBfloat16;
    case ReduceType::f16: return ncclFloat16;
  }
  throw std::logic_error("unknown reduce type");
}

ncclRedOp_t nccl_op(ReduceOp op) { return op == ReduceOp::sum ? ncclSum : op == ReduceOp::max ? ncclMax : ncclMin; }

bool is_on_device(const void* memory) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
    cudaGetLastError();  // forgotten: the next call of LibTorch would take it for its own
    return false;
  }
  return attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(at::Device device, const DeviceConnection& parts, double collective_seconds)
      : device_(device),
        parts_(parts),
        ring_(parts.heartbeat ? nullptr : std::make_unique<FlightRing>()),
        recorder_(ring()),
        streams_(device),
        order_(streams_),
        watchdog_({.recorder = recorder_, .clock = parts.clock, .deadline_seconds = collective_seconds, .failure = [this] {
                     return connection_ ? connection_->failure() : std::string();
                   }}) {
    parts_.sections.collective(true);
    if (parts_.ranks.size() > 1) connection_.emplace(parts_.ranks, parts_.clock, collective_seconds);
    parts_.sections.collective(false);
    if (connection_) thread_.emplace(watchdog_, tear_down(), kWatchInterval);
  }

  int rank() const override { return parts_.ranks.rank(); }
  int size() const override { return parts_.ranks.size(); }
  int local_rank() const override { return parts_.ranks.local_rank(); }
  int local_size() const override { return parts_.ranks.local_size(); }

  Ticket start_all_reduce(std::span<std::byte> buffer, ReduceType type, ReduceOp op) override {
    const Ticket ticket = ++started_;
    if (buffer.empty() || !is_on_device(buffer.data())) {
      of_hosts_[ticket] = parts_.ranks.start_all_reduce(buffer, type, op);
      return ticket;
    }
    if (!connection_) return ticket;  // alone
    const c10::DeviceGuard guard(device_);
    const std::uint64_t sequence = watchdog_.begin(OperationKind::all_reduce, buffer.size());
    order_.before();
    auto marks = std::make_unique<StreamMarks>(streams_);
    const c10::cuda::CUDAStream stream(streams_.stream(StreamName::communication));
    parts_.sections.collective(true);
    connection_->all_reduce(buffer.data(), buffer.size() / size_of(type), nccl_type(type), nccl_op(op), stream.stream());
    parts_.sections.collective(false);
    marks->end();
    order_.after(ticket);
    watchdog_.watch(sequence, buffer.size(), std::move(marks));
    return ticket;
  }
  void finish(Ticket ticket) override {
    if (const auto of_hosts = of_hosts_.extract(ticket))
      parts_.ranks.finish(of_hosts.mapped());
    else if (connection_)
      order_.finish(ticket);
  }

  std::string reduction() const override { return connection_ ? "NCCL " + nccl_version() : "none"; }
  Vote vote(const Vote& mine) override { return parts_.ranks.vote(mine); }
  void broadcast(std::span<std::byte> buffer, int root) override { parts_.ranks.broadcast(buffer, root); }
  std::vector<std::string> gather(const std::string& mine, int root) override { return parts_.ranks.gather(mine, root); }
  void barrier() override { parts_.ranks.barrier(); }
  void close() override {
    if (connection_) connection_->close();
    thread_.reset();
    parts_.ranks.close();
  }

 private:
  FlightRing& ring() { return parts_.heartbeat ? parts_.heartbeat->block().operations : *ring_; }

  DeviceTearDown tear_down() {
    return {.write_down =
                [this](const std::string& why) {
                  if (parts_.heartbeat) parts_.heartbeat->set_error(why);
                  log_error("{}", why);
                  write_device_record(parts_.record, ring(), rank(), why);
                },
            .abort = [this] { connection_->abort(); },
            .leave = [](int code) { ::_exit(code); }};
  }

  at::Device device_;
  DeviceConnection parts_;
  std::unique_ptr<FlightRing> ring_;  // where there is no shim that keeps one
  FlightRecorder recorder_;
  DeviceStreams streams_;
  AllReduceOrder order_;
  std::optional<NcclConnection> connection_;
  Watchdog watchdog_;
  Ticket started_ = 0;
  std::map<Ticket, Ticket> of_hosts_;
  std::optional<WatchdogThread> thread_;  // the first to go
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(at::Device device, const DeviceConnection& connection, double collective_seconds) {
  return std::make_unique<NcclCommunicator>(device, connection, collective_seconds);
}

}  // namespace holdfast
