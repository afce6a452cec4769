#define OMPI_SKIP_MPICXX 1  // the C++ bindings are not used
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <exception>
#include <map>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "dist/communicator.h"
#include "dist/host_reduction.h"
#include "dist/mpi_error.h"
#include "dist/reduction_kernel.h"
#include "dist/shared_regions.h"

namespace holdfast {
namespace {

void check(int result, const char* what) {
  if (result != MPI_SUCCESS) throw PeerLost(fmt::format("{}: {}", what, mpi_error_text(result)));
}

MPI_Datatype mpi_type(ReduceType type) {
  switch (type) {
    case ReduceType::f32: return MPI_FLOAT;
    case ReduceType::f64: return MPI_DOUBLE;
    case ReduceType::i64: return MPI_INT64_T;
    case ReduceType::bf16:
    case ReduceType::f16: return MPI_UINT16_T;
  }
  throw std::logic_error("unknown reduce type");
}

template <ReduceType type>
void sum_halves(void* from, void* into, int* count, MPI_Datatype*) {
  std::byte* const terms[] = {static_cast<std::byte*>(into), static_cast<std::byte*>(from)};
  reduce(terms, 0, 0, static_cast<std::size_t>(*count), type, ReduceOp::sum, false);
}

MPI_Op half_op(MPI_User_function* function) {
  MPI_Op op = MPI_OP_NULL;
  check(MPI_Op_create(function, 1, &op), "MPI_Op_create");
  return op;
}

int int_count(std::size_t count) {
  if (count > static_cast<std::size_t>(INT_MAX)) throw std::length_error("an MPI message of more than 2^31 elements");
  return static_cast<int>(count);
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(SectionTracker& sections, HostTransport transport) : sections_(sections) {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host_), "MPI_Comm_split_type");
    check(MPI_Comm_rank(host_, &local_rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(host_, &local_size_), "MPI_Comm_size");
    sum_bf16_ = half_op(sum_halves<ReduceType::bf16>);
    sum_f16_ = half_op(sum_halves<ReduceType::f16>);
    if (transport == HostTransport::shared_memory) share_memory();
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }

  Ticket start_all_reduce(std::span<std::byte> buffer, ReduceType type, ReduceOp op) override {
    sections_.collective(true);
    Ticket ticket = ++started_;
    if (shared_)
      ticket = shared_->start(buffer, type, op);
    else if (size_ > 1)
      // A blocking call is the fastest without a progress thread: Open MPI's non-blocking reductions advance only inside
      // MPI calls, so that starting early gains nothing (measured; docs/adr/0003).
      all_reduce_by_mpi(buffer, type, op, MPI_COMM_WORLD);
    sections_.collective(false);
    return ticket;
  }
  void finish(Ticket ticket) override {
    if (!shared_) return;
    sections_.collective(true);
    shared_->finish(ticket);
    sections_.collective(false);
  }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    // The other half is for copies of what lies elsewhere: there is always room for them.
    void* const memory = shared_ ? regions_->allocate(bytes, regions_->handle().bytes / 2) : nullptr;
    if (memory == nullptr) return nullptr;
    return {static_cast<std::byte*>(memory), [regions = regions_](std::byte* at) { regions->deallocate(at); }};
  }
  bool sees_nonfinite() const override { return shared_.has_value(); }
  int take_nonfinite_rank() override {
    const int local = shared_ ? shared_->take_nonfinite() : -1;
    return local < 0 ? -1 : ranks_of_host_[static_cast<std::size_t>(local)];
  }
  std::string reduction() const override {
    if (!shared_) return size_ > 1 ? "MPI" : "none";
    return local_size_ == size_ ? "shared memory" : "shared memory, MPI between hosts";
  }

  Vote vote(const Vote& mine) override {
    // Gathered and combined in rank order everywhere: the same bits on every rank and from run to run.
    sections_.collective(true);
    std::vector<Vote> all(static_cast<std::size_t>(size_));
    check(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, MPI_COMM_WORLD), "MPI_Allgather");
    sections_.collective(false);
    Vote combined;
    for (const Vote& vote : all) combine(combined, vote);
    return combined;
  }
  void broadcast(std::span<std::byte> buffer, int root) override {
    sections_.collective(true);
    constexpr std::size_t kChunk = std::size_t{1} << 30;
    for (std::size_t at = 0; at < buffer.size(); at += kChunk) {
      const auto part = buffer.subspan(at, std::min(kChunk, buffer.size() - at));
      MPI_Request request{};
      check(MPI_Ibcast(part.data(), int_count(part.size()), MPI_BYTE, root, MPI_COMM_WORLD, &request), "MPI_Ibcast");
      // Not MPI_Bcast, which polls: in a restore this core is wanted by the threads that read what is handed on next.
      for (int is_done = 0; is_done == 0;) {
        check(MPI_Test(&request, &is_done, MPI_STATUS_IGNORE), "MPI_Test");
        if (is_done == 0) ::sched_yield();
      }
    }
    sections_.collective(false);
  }
  std::vector<std::string> gather(const std::string& mine, int root) override {
    sections_.collective(true);
    const int count = int_count(mine.size());
    std::vector<int> counts(rank_ == root ? static_cast<std::size_t>(size_) : 0), starts;
    check(MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, root, MPI_COMM_WORLD), "MPI_Gather");
    std::string all;
    if (rank_ == root) {
      starts.resize(counts.size());
      std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
      all.resize(static_cast<std::size_t>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})));
      int_count(all.size());
    }
    check(MPI_Gatherv(mine.data(), count, MPI_BYTE, all.data(), counts.data(), starts.data(), MPI_BYTE, root, MPI_COMM_WORLD),
          "MPI_Gatherv");
    sections_.collective(false);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < counts.size(); ++i)
      texts.push_back(all.substr(static_cast<std::size_t>(starts[i]), static_cast<std::size_t>(counts[i])));
    return texts;
  }
  void barrier() override {
    sections_.collective(true);
    check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier");
    sections_.collective(false);
  }
  void close() override {
    sections_.collective(true);  // it waits for all
    for (MPI_Comm* one : {&host_, &peers_})
      if (*one != MPI_COMM_NULL) check(MPI_Comm_free(one), "MPI_Comm_free");
    for (MPI_Op* one : {&sum_bf16_, &sum_f16_}) check(MPI_Op_free(one), "MPI_Op_free");
    check(MPI_Finalize(), "MPI_Finalize");
    sections_.collective(false);
  }

 private:
  /// Collective. Leaves `shared_` empty where it cannot be on every host alike.
  void share_memory() {
    if (size_ == 1) return;
    regions_ = std::make_shared<SharedRegions>(region_bytes());
    const auto handles = gather_from_host(regions_->handle());
    ranks_of_host_ = gather_from_host(rank_);
    // The least of what all say, and the negative of the most.
    std::int32_t facts[] = {regions_->map(handles, static_cast<std::size_t>(local_rank_)) && local_size_ > 1 ? 1 : 0, local_size_,
                            -local_size_};
    check(MPI_Allreduce(MPI_IN_PLACE, facts, 3, MPI_INT32_T, MPI_MIN, MPI_COMM_WORLD), "MPI_Allreduce");
    if (facts[0] == 0 || facts[1] != -facts[2]) {
      if (rank_ == 0 && facts[1] > 1)
        log_warning("gradients are summed by MPI: {}", facts[0] == 0
                                                           ? "the ranks of a host cannot share memory (namespaces, or ulimit -v or -f)"
                                                           : "hosts have different numbers of ranks");
      regions_.reset();
      return;
    }
    HostReduction::OverHosts over_hosts;
    if (local_size_ < size_) {
      check(MPI_Comm_split(MPI_COMM_WORLD, local_rank_, rank_, &peers_), "MPI_Comm_split");
      over_hosts = [this](std::span<std::byte> slice, ReduceType type, ReduceOp op) {
        if (!slice.empty()) all_reduce_by_mpi(slice, type, op, peers_);
      };
    }
    cpu_set_t cores;
    CPU_ZERO(&cores);
    ::sched_getaffinity(0, sizeof cores, &cores);  // on failure there are none
    for (const cpu_set_t& others : gather_from_host(cores)) CPU_OR(&cores, &cores, &others);
    const bool has_core = CPU_COUNT(&cores) >= local_size_;
    shared_.emplace(*regions_, static_cast<std::size_t>(local_rank_), has_core, std::move(over_hosts));
  }
  /// Address space, not memory: there cannot be more gradients on a host than memory. Every rank maps the regions of all: twice the memory.
  std::size_t region_bytes() const {
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return 2 * static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) / static_cast<std::size_t>(local_size_) * page;
  }
  template <class Value>
  std::vector<Value> gather_from_host(const Value& mine) {
    std::vector<Value> all(static_cast<std::size_t>(local_size_));
    check(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, host_), "MPI_Allgather");
    return all;
  }
  void all_reduce_by_mpi(std::span<std::byte> buffer, ReduceType type, ReduceOp op, MPI_Comm ranks) {
    check(MPI_Allreduce(MPI_IN_PLACE, buffer.data(), int_count(buffer.size() / size_of(type)), mpi_type(type), mpi_op(type, op), ranks),
          "MPI_Allreduce");
  }
  MPI_Op mpi_op(ReduceType type, ReduceOp op) const {
    if (size_of(type) > 2) return op == ReduceOp::sum ? MPI_SUM : op == ReduceOp::max ? MPI_MAX : MPI_MIN;
    if (op != ReduceOp::sum) throw std::invalid_argument("half-precision values are summed, nothing else");
    return type == ReduceType::bf16 ? sum_bf16_ : sum_f16_;
  }

  SectionTracker& sections_;
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  MPI_Comm host_ = MPI_COMM_NULL, peers_ = MPI_COMM_NULL;  // the ranks of this host; those with this local rank, one of each host
  MPI_Op sum_bf16_ = MPI_OP_NULL, sum_f16_ = MPI_OP_NULL;
  std::vector<int> ranks_of_host_;
  std::shared_ptr<SharedRegions> regions_;  // the memory that was allocated keeps them
  std::optional<HostReduction> shared_;
  Ticket started_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(SectionTracker& sections, HostTransport transport) {
  return std::make_unique<MpiCommunicator>(sections, transport);
}

std::string mpi_library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text, static_cast<std::size_t>(length));
  return version.substr(0, version.find(','));
}

}  // namespace holdfast
