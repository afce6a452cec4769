// Ranks and their collectives over plain buffers. Every method that says "collective" must be called by all ranks in the
// same order. One thread owns a communicator; it alone may call it (MPI_THREAD_FUNNELED). A lost peer is a PeerLost, where
// the transport notices one; where it does not, the call does not return and the rank is ended from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/section.h"
#include "dist/vote.h"

namespace holdfast {

/// bf16 and f16 are summed, nothing else: in shared memory in float32, rounded once there and once for each further host; by MPI rounded at
/// each addition; by NCCL as it does.
enum class ReduceType { f32, f64, i64, bf16, f16 };
enum class ReduceOp { sum, max, min };

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Rank and number of ranks on this host.
  virtual int local_rank() const = 0;
  virtual int local_size() const = 0;

  /// Names an all-reduce that was started.
  using Ticket = std::uint64_t;
  /// Collective. Starts the in-place element-wise all-reduce of `buffer`, which stays untouched by the caller until
  /// finish(ticket). May block until done. The result is the same bits on every rank, and the same from run to run for the
  /// same world size and buffers.
  virtual Ticket start_all_reduce(std::span<std::byte> buffer, ReduceType type, ReduceOp op) = 0;
  /// Blocks until the all-reduce is complete. Every ticket is finished exactly once, in any order.
  virtual void finish(Ticket ticket) = 0;
  void all_reduce(std::span<std::byte> buffer, ReduceType type, ReduceOp op) { finish(start_all_reduce(buffer, type, op)); }

  /// Memory that reductions work on in place where any other is copied; null: any memory is as good, or there is no more of it. Any
  /// thread. It may outlive the communicator.
  virtual std::shared_ptr<std::byte> allocate(std::size_t) { return nullptr; }
  /// Does the transport look for values that are not finite while it sums floats? Else whoever wants to know looks before.
  virtual bool sees_nonfinite() const { return false; }
  /// Then: of the sums finished since the last call, the lowest rank with such a value in what this rank has summed up; -1: none. What
  /// the ranks have seen is to be combined.
  virtual int take_nonfinite_rank() { return -1; }
  /// How reductions are made, as the bits of their sums may depend on it: "shared memory", "MPI".
  virtual std::string reduction() const { return "none"; }

  /// Collective, blocks: the facts of all ranks combined, in rank order.
  virtual Vote vote(const Vote& mine) = 0;
  /// Collective, blocks: `buffer` of `root` on every rank.
  virtual void broadcast(std::span<std::byte> buffer, int root) = 0;
  /// Collective, blocks: on `root` the text of every rank by rank, elsewhere nothing.
  virtual std::vector<std::string> gather(const std::string& mine, int root) = 0;
  /// Collective, blocks.
  virtual void barrier() = 0;
  /// Collective, blocks: the last call, once all went well. Destroyed without it, nobody is waited for.
  virtual void close() {}
};

/// Collective, blocks: `text` of `root` on every rank.
std::string broadcast_text(Communicator& ranks, std::string text, int root);

/// Among the ranks of a host.
enum class HostTransport { shared_memory, mpi };

/// MPI_COMM_WORLD. Initialises MPI (FUNNELED); close() finalises it. Reports collectives to `sections`. Ranks of one host reduce in
/// memory that they share, where that is possible on all hosts and these have equally many ranks. Throws PeerLost.
std::unique_ptr<Communicator> make_mpi_communicator(SectionTracker& sections, HostTransport transport = HostTransport::shared_memory);

/// One rank, no MPI: for tests and tools.
std::unique_ptr<Communicator> make_local_communicator();

/// "Open MPI v4.1.4", without initialising anything.
std::string mpi_library_version();

}  // namespace holdfast
