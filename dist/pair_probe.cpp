#include "dist/pair_probe.h"

#define OMPI_SKIP_MPICXX 1  // the C++ bindings are not used
#include <mpi.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "base/error.h"
#include "dist/mpi_error.h"

namespace holdfast {
namespace {

constexpr int kTag = 1;
constexpr int kShortMessages = 10;
constexpr int kFirstBytes = 64 << 10, kMostBytes = 1 << 20;
constexpr double kMostSeconds = 0.1;   // of a long message
constexpr double kLongSeconds = 0.03;  // of all long messages together
constexpr std::int64_t kMostLong = 16;
constexpr int kMostRounds = 255;
constexpr int kMostLaps = 5;  // what a busy host spoils in one is put right in another

void check(int result, int peer) {
  if (result != MPI_SUCCESS)
    throw PeerLost(
        fmt::format("exchange messages with {}: {}", peer < 0 ? "all ranks" : fmt::format("rank {}", peer), mpi_error_text(result)));
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

/// What the first of the two says, for both.
std::int64_t agree(bool is_first, int peer, std::int64_t number) {
  ping_pong(is_first, peer, std::as_writable_bytes(std::span(&number, 1)));
  return number;
}

MeasuredPair measure_pair(bool is_first, int peer, std::vector<std::byte>& buffer) {
  MeasuredPair pair{.peer = peer};
  const auto seconds_of = [&](std::size_t bytes) { return std::max(1e-9, ping_pong(is_first, peer, {buffer.data(), bytes})); };
  pair.latency_seconds = seconds_of(1);
  for (int i = 1; i < kShortMessages; ++i) pair.latency_seconds = std::min(pair.latency_seconds, seconds_of(1));
  seconds_of(kFirstBytes);
  const double first_seconds = seconds_of(kFirstBytes), long_seconds = first_seconds * kMostBytes / kFirstBytes;
  pair.bytes_per_second = kFirstBytes / first_seconds;
  // Long messages where they are worth while, and several where they are short: on a busy host one of them says little.
  const auto wanted = long_seconds > kMostSeconds ? 0 : std::clamp<std::int64_t>(std::llround(kLongSeconds / long_seconds), 2, kMostLong);
  const std::int64_t count = agree(is_first, peer, wanted);
  for (std::int64_t i = 0; i < count; ++i) pair.bytes_per_second = std::max(pair.bytes_per_second, kMostBytes / seconds_of(kMostBytes));
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

PairProbe::PairProbe() {
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) throw PeerLost("MPI_Init_thread failed");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

void PairProbe::close() { MPI_Finalize(); }

void PairProbe::measure(double seconds, const std::function<void(int peer)>& about_to,
                        const std::function<void(const MeasuredPair&)>& measured) {
  const SystemClock clock;
  const double end = clock.seconds() + seconds;
  std::vector<std::byte> buffer(kMostBytes);
  const auto meet = [&](int peer) {
    about_to(peer);
    const bool is_first = rank_ < peer;
    if (agree(is_first, peer, clock.seconds() > end ? 1 : 0) != 0) return;  // it makes the connection, too
    const MeasuredPair pair = measure_pair(is_first, peer, buffer);
    if (is_first) measured(pair);
  };
  int is_over = size_ < 2 ? 1 : 0;
  for (int lap = 0; lap < kMostLaps && is_over == 0; ++lap) {
    for (int round = 0; round < std::min(meeting_rounds(size_), kMostRounds); ++round)
      if (const int peer = partner_in(round, rank_, size_); peer >= 0) meet(peer);
    about_to(-1);
    is_over = clock.seconds() > end ? 1 : 0;
    check(MPI_Allreduce(MPI_IN_PLACE, &is_over, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD), -1);
  }
}

}  // namespace holdfast
