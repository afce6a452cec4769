#define OMPI_SKIP_MPICXX 1  // the C++ bindings are not used
#include <mpi.h>
#include <sched.h>

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <exception>
#include <map>
#include <numeric>

#include "base/error.h"
#include "dist/communicator.h"
#include "dist/mpi_error.h"

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
  }
  throw std::logic_error("unknown reduce type");
}

std::size_t size_of(ReduceType type) { return type == ReduceType::f32 ? 4 : 8; }

MPI_Op mpi_op(ReduceOp op) { return op == ReduceOp::sum ? MPI_SUM : op == ReduceOp::max ? MPI_MAX : MPI_MIN; }

int int_count(std::size_t count) {
  if (count > static_cast<std::size_t>(INT_MAX)) throw std::length_error("an MPI message of more than 2^31 elements");
  return static_cast<int>(count);
}

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(SectionTracker& sections) : sections_(sections) {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    MPI_Comm host = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host), "MPI_Comm_split_type");
    check(MPI_Comm_rank(host, &local_rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(host, &local_size_), "MPI_Comm_size");
    check(MPI_Comm_free(&host), "MPI_Comm_free");
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }

  Ticket start_all_reduce(std::span<std::byte> buffer, ReduceType type, ReduceOp op) override {
    // A blocking call is the fastest without a progress thread: Open MPI's non-blocking reductions advance only inside
    // MPI calls, so that starting early gains nothing (measured; docs/adr/0003).
    sections_.collective(true);
    if (size_ > 1)
      check(
          MPI_Allreduce(MPI_IN_PLACE, buffer.data(), int_count(buffer.size() / size_of(type)), mpi_type(type), mpi_op(op), MPI_COMM_WORLD),
          "MPI_Allreduce");
    sections_.collective(false);
    return ++started_;
  }
  void finish(Ticket) override {}

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
    check(MPI_Finalize(), "MPI_Finalize");
    sections_.collective(false);
  }

 private:
  SectionTracker& sections_;
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  Ticket started_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(SectionTracker& sections) { return std::make_unique<MpiCommunicator>(sections); }

std::string mpi_library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text, static_cast<std::size_t>(length));
  return version.substr(0, version.find(','));
}

}  // namespace holdfast
