#include "bench/scale/traffic.h"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace holdfast {
namespace {

constexpr std::uint64_t kLengthBytes = 4;             // of a text, as MPI_INT
constexpr std::uint64_t kTreeBytes = 64 << 10;        // from here on libnbc's ibcast takes a chain
constexpr std::uint64_t kLongChainBytes = 512 << 10;  // from here on in longer segments
constexpr std::uint64_t kShortSegment = 8 << 10, kLongSegment = 32 << 10;
constexpr std::uint64_t kLargestVote = 512;

/// Of a rank in the tree below a root of number 0: itself and all who send through it.
std::uint64_t subtree(std::uint64_t rank, std::uint64_t ranks) { return std::min(rank & (~rank + 1), ranks - rank); }

/// Up a binomial tree to rank 0, every message with all that is below its sender.
Traffic tree_gather(std::uint64_t ranks, std::uint64_t bytes) {
  Traffic traffic{.calls = 1, .messages = ranks - 1, .rank0_messages = doublings(ranks), .rank0_bytes = (ranks - 1) * bytes};
  for (std::uint64_t rank = 1; rank < ranks; ++rank) traffic.bytes += subtree(rank, ranks) * bytes;
  traffic.rounds = doublings(ranks);
  traffic.serial_bytes = (ranks - 1) * bytes;
  return traffic;
}

/// Along the ranks from the root on, in segments that follow each other.
Traffic chain(std::uint64_t ranks, std::uint64_t bytes, int root) {
  const std::uint64_t segment = bytes < kLongChainBytes ? kShortSegment : kLongSegment;
  const std::uint64_t segments = (bytes + segment - 1) / segment;
  const bool is_end = root == 0 || root == 1;  // rank 0 is the first or the last of it
  return {.calls = 1,
          .messages = (ranks - 1) * segments,
          .bytes = (ranks - 1) * bytes,
          .rank0_messages = (is_end ? 1 : 2) * segments,
          .rank0_bytes = (is_end ? 1 : 2) * bytes,
          .rounds = ranks - 1 + segments - 1,
          .serial_bytes = (ranks - 1 + segments - 1) * segment};
}

}  // namespace

Traffic& Traffic::operator+=(const Traffic& other) {
  calls += other.calls;
  messages += other.messages;
  bytes += other.bytes;
  rank0_messages += other.rank0_messages;
  rank0_bytes += other.rank0_bytes;
  rounds += other.rounds;
  serial_bytes += other.serial_bytes;
  return *this;
}

std::uint64_t doublings(std::uint64_t ranks) { return static_cast<std::uint64_t>(std::bit_width(ranks - 1)); }

Traffic allgather_traffic(int size, std::uint64_t bytes) {
  const auto ranks = static_cast<std::uint64_t>(size);
  if (bytes >= kLargestVote) throw std::invalid_argument("the model of an all-gather is one of less than 512 bytes a rank");
  const std::uint64_t rounds = doublings(ranks);
  return {.calls = 1,
          .messages = ranks * rounds,
          .bytes = ranks * (ranks - 1) * bytes,
          .rank0_messages = 2 * rounds,
          .rank0_bytes = 2 * (ranks - 1) * bytes,
          .rounds = rounds,
          .serial_bytes = (ranks - 1) * bytes};
}

Traffic broadcast_traffic(int size, std::uint64_t bytes, int root) {
  const auto ranks = static_cast<std::uint64_t>(size);
  if (ranks == 1) return {.calls = 1};
  if (ranks > 4 && bytes >= kTreeBytes) return chain(ranks, bytes, root);
  Traffic traffic{.calls = 1, .messages = ranks - 1, .bytes = (ranks - 1) * bytes};
  traffic.rounds = ranks <= 4 ? ranks - 1 : doublings(ranks);
  // Of the numbers counted from the root on: rank 0 hears once, and sends to those that are below it.
  const std::uint64_t number = (ranks - static_cast<std::uint64_t>(root)) % ranks;
  std::uint64_t below = ranks <= 4 && number == 0 ? ranks - 1 : 0;
  for (std::uint64_t step = std::bit_ceil(number + 1); ranks > 4 && number + step < ranks; step *= 2) ++below;
  traffic.rank0_messages = below + (number == 0 ? 0 : 1);
  traffic.rank0_bytes = traffic.rank0_messages * bytes;
  traffic.serial_bytes = traffic.rounds * bytes;
  return traffic;
}

Traffic gather_traffic(std::span<const std::uint64_t> bytes) {
  Traffic traffic = tree_gather(bytes.size(), kLengthBytes);
  for (const std::uint64_t length : bytes.subspan(1)) {
    if (length == 0) continue;
    ++traffic.messages;
    ++traffic.rank0_messages;
    ++traffic.rounds;
    traffic.bytes += length;
    traffic.rank0_bytes += length;
    traffic.serial_bytes += length;
  }
  return traffic;
}

namespace {

Traffic rounds_of_all(std::uint64_t ranks) {
  const std::uint64_t rounds = doublings(ranks);
  return {.calls = 1, .messages = ranks * rounds, .rank0_messages = 2 * rounds, .rounds = rounds};
}

/// Those beyond a power of two go through a partner below it.
Traffic recursive_doubling(std::uint64_t ranks) {
  const std::uint64_t power = std::bit_floor(ranks), rounds = doublings(power), beyond = ranks - power;
  return {.calls = 1,
          .messages = power * rounds + 2 * beyond,
          .rank0_messages = 2 * rounds + (beyond > 0 ? 2 : 0),
          .rounds = rounds + (beyond > 0 ? 2 : 0)};
}

Traffic up_and_down(std::uint64_t ranks, bool is_tree) {
  const std::uint64_t at_root = is_tree ? doublings(ranks) : ranks - 1;
  return {.calls = 1, .messages = 2 * (ranks - 1), .rank0_messages = 2 * at_root, .rounds = 2 * at_root};
}

}  // namespace

Traffic barrier_traffic(int size) {
  const auto ranks = static_cast<std::uint64_t>(size);
  if (ranks < 4 || (ranks >= 8 && ranks < 64)) return recursive_doubling(ranks);
  if (ranks < 8) return up_and_down(ranks, false);
  if ((ranks >= 256 && ranks < 512) || (ranks >= 1024 && ranks < 4096)) return up_and_down(ranks, true);
  return rounds_of_all(ranks);
}

double ring_all_reduce_bytes(int ranks, double bytes) { return 2.0 * (ranks - 1) / ranks * bytes; }

}  // namespace holdfast
