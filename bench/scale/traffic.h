// What the collectives of a Communicator cost in messages, by the algorithms that Open MPI 4.1.4 takes by itself (coll/tuned's fixed
// decisions, coll/basic's gatherv, coll/libnbc's ibcast; docs/scaling.md has the table). A model: pure functions of the number of ranks and
// of the bytes. It was read off their sources, not measured. What the transport adds to a message (headers, handshakes
// of long ones) is not in it.
#pragma once

#include <cstdint>
#include <span>

namespace holdfast {

struct Traffic {
  std::uint64_t calls = 0;
  std::uint64_t messages = 0, bytes = 0;              // between all ranks
  std::uint64_t rank0_messages = 0, rank0_bytes = 0;  // of those, sent or received by rank 0
  /// The longest chain of messages of which each waits for the one before, and the bytes that pass one after the other through it.
  std::uint64_t rounds = 0, serial_bytes = 0;

  Traffic& operator+=(const Traffic& other);
  /// `latency_seconds` of one message, `bytes_per_second` of one link.
  double seconds(double latency_seconds, double bytes_per_second) const {
    return static_cast<double>(rounds) * latency_seconds + static_cast<double>(serial_bytes) / bytes_per_second;
  }
};

/// The number of doublings until all `ranks` are reached.
std::uint64_t doublings(std::uint64_t ranks);

/// Every rank gives `bytes` and gets those of all: recursive doubling, or Bruck's where the ranks are no power of two. Below 512 bytes a
/// rank, as a vote is; throws std::invalid_argument above that, where other algorithms are taken.
Traffic allgather_traffic(int ranks, std::uint64_t bytes);
/// From one rank to all: one after the other up to 4 ranks, a binomial tree below 64 KiB, else a chain in segments.
Traffic broadcast_traffic(int ranks, std::uint64_t bytes, int root);
/// Texts to rank 0: first their lengths, up a binomial tree, then each text by itself, in order. `bytes` by rank.
Traffic gather_traffic(std::span<const std::uint64_t> bytes);
Traffic barrier_traffic(int ranks);

/// Of one rank in one ring all-reduce of `bytes`, sent; each of 2(n-1) steps passes on an n-th.
double ring_all_reduce_bytes(int ranks, double bytes);

}  // namespace holdfast
