#include "dist/pair_probe.h"

#define OMPI_SKIP_MPICXX 1  // the C++ bindings are not used
#include <mpi.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "base/error.h"

namespace holdfast {
namespace {

constexpr int kTag = 1;
constexpr int kShortMessages = 10;
constexpr int kFirstBytes = 64 << 10, kMostBytes = 1 << 20;
constexpr double kMostSeconds = 0.1;  // of a long message

void check(int result, int peer) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(result, text, &length);
  throw PeerLost(fmt::format("exchange messages with rank {}: {}", peer, std::string_view(text, static_cast<std::size_t>(length))));
}

/// There and back; the seconds of one way.
double ping_pong(bool is_first, int peer, std::span<std::byte> message) {
  const SystemClock clock;
  const int bytes = static_cast<int>(message.size());
  const double start = clock.seconds();
  if (is_first) check(MPI_Send(message.data(), bytes, MPI_BYTE, peer, kTag, MPI_COMM_WORLD), peer);
  check(MPI_Recv(message.data(), bytes, MPI_BYTE, peer, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE), peer);
  if (!is_first) check(MPI_Send(message.data(), bytes, MPI_BYTE, peer, kTag, MPI_COMM_WORLD), peer);
  return (clock.seconds() - start) / 2;
}

MeasuredPair measure(bool is_first, int peer, std::vector<std::byte>& buffer) {
  MeasuredPair pair{.peer = peer};
  std::int64_t bytes = 0;
  const std::span<std::byte> number = std::as_writable_bytes(std::span(&bytes, 1));
  ping_pong(is_first, peer, number);  // the connection is made by the first one
  pair.latency_seconds = ping_pong(is_first, peer, number);
  for (int i = 1; i < kShortMessages; ++i) pair.latency_seconds = std::min(pair.latency_seconds, ping_pong(is_first, peer, number));
  ping_pong(is_first, peer, {buffer.data(), kFirstBytes});
  double seconds = ping_pong(is_first, peer, {buffer.data(), kFirstBytes});
  pair.bytes_per_second = kFirstBytes / std::max(1e-9, seconds);
  // The first of the two has the say on whether a longer message is worth while.
  bytes = seconds * kMostBytes / kFirstBytes < kMostSeconds ? kMostBytes : 0;
  ping_pong(is_first, peer, number);
  for (int i = 0; bytes > 0 && i < 2; ++i) {
    seconds = ping_pong(is_first, peer, {buffer.data(), static_cast<std::size_t>(bytes)});
    pair.bytes_per_second = std::max(pair.bytes_per_second, static_cast<double>(bytes) / std::max(1e-9, seconds));
  }
  return pair;
}

}  // namespace

int meeting_rounds(int size) { return size < 2 ? 0 : size % 2 == 0 ? size - 1 : size; }

/// The circle method: the last one stays where it is (it is nobody where the number is odd), the others move on by one seat a round.
int partner_in(int round, int rank, int size) {
  const int seats = size + size % 2, moving = seats - 1;
  if (rank == moving) {
    const int partner = round * (seats / 2) % moving;
    return partner;
  }
  int partner = ((round - rank) % moving + moving) % moving;
  if (partner == rank) partner = moving;
  return partner < size ? partner : -1;
}

void measure_pairs(Communicator& ranks, double seconds, const std::function<void(int peer)>& about_to,
                   const std::function<void(const MeasuredPair&)>& measured) {
  const SystemClock clock;
  const double end = clock.seconds() + seconds;
  std::vector<std::byte> buffer(kMostBytes);
  for (int round = 0; round < meeting_rounds(ranks.size()); ++round) {
    if (const int peer = partner_in(round, ranks.rank(), ranks.size()); peer >= 0) {
      about_to(peer);
      const MeasuredPair pair = measure(ranks.rank() < peer, peer, buffer);
      if (ranks.rank() < peer) measured(pair);
    }
    about_to(-1);
    std::int64_t is_over = clock.seconds() > end ? 1 : 0;
    ranks.all_reduce(std::as_writable_bytes(std::span(&is_over, 1)), ReduceType::i64, ReduceOp::max);
    if (is_over != 0) return;
  }
}

}  // namespace holdfast
