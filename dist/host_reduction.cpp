#include "dist/host_reduction.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include "base/error.h"
#include "dist/reduction_kernel.h"

namespace holdfast {

/// Where a rank's values of a reduction lie.
struct HostReduction::Post {
  std::uint64_t offset, bytes;
  std::uint32_t type, op;
};

/// At the beginning of each region. The counts are those of its rank; all others read them.
struct HostReduction::Control {
  static constexpr std::uint64_t kPosts = 1024;
  alignas(64) std::atomic<std::uint64_t> posted;
  alignas(64) std::atomic<std::uint64_t> reduced;  // reductions whose slice of this rank is done, in order
  // Of the first rank's region: what is counted at each change of any count, and who sleeps until then.
  alignas(64) std::atomic<std::uint32_t> changes;
  alignas(64) std::atomic<std::uint32_t> sleepers;
  alignas(64) Post posts[kPosts];
};

namespace {

constexpr std::size_t kSliceAlign = 32;  // elements: ranks do not write to one another's cache lines
constexpr int kSpins = 100'000;          // a millisecond or two: the slowest rank of a step is seldom later
constexpr timespec kSleep{.tv_sec = 0, .tv_nsec = 100'000'000};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* timeout) {
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) && std::atomic<std::uint64_t>::is_always_lock_free);
  return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

/// The first element of the slice of `rank`.
std::size_t slice_begin(std::size_t count, std::size_t rank, std::size_t ranks) {
  return rank == ranks ? count : count * rank / ranks / kSliceAlign * kSliceAlign;
}

}  // namespace

HostReduction::HostReduction(SharedRegions& regions, std::size_t mine, bool has_core, OverHosts over_hosts)
    : regions_(regions), mine_(mine), has_core_(has_core), over_hosts_(std::move(over_hosts)), buffers_(regions.size()) {
  static_assert(sizeof(Control) <= SharedRegions::kControlBytes - 64);
}

HostReduction::Control& HostReduction::control(std::size_t rank) const {
  return *std::launder(reinterpret_cast<Control*>(regions_.region(rank)));  // zeros are what its members begin with
}

HostReduction::Post& HostReduction::post(std::size_t rank, std::uint64_t ticket) const {
  return control(rank).posts[ticket % Control::kPosts];
}

std::uint64_t HostReduction::posted_by_all() const {
  std::uint64_t least = posted_;
  for (std::size_t rank = 0; rank < regions_.size(); ++rank) least = std::min(least, control(rank).posted.load(std::memory_order_acquire));
  return least;
}

std::uint64_t HostReduction::reduced_by_all() const {
  std::uint64_t least = reduced_;
  for (std::size_t rank = 0; rank < regions_.size(); ++rank) least = std::min(least, control(rank).reduced.load(std::memory_order_acquire));
  return least;
}

std::uint64_t HostReduction::start(std::span<std::byte> buffer, ReduceType type, ReduceOp op) {
  wait_until([this] {
    if (posted_ - reduced_by_all() < Control::kPosts) return true;
    advance();  // whoever lags behind may wait for this rank's slices
    return false;
  });
  const std::uint64_t ticket = posted_ + 1;
  std::byte* values = buffer.data();
  if (!regions_.contains(values)) {
    values = static_cast<std::byte*>(regions_.allocate(std::max<std::size_t>(buffer.size(), 1)));
    if (values == nullptr) throw std::bad_alloc();
    std::memcpy(values, buffer.data(), buffer.size());
    staged_.push_back({ticket, buffer, values});
  }
  post(mine_, ticket) = {regions_.offset_of(values), buffer.size(), static_cast<std::uint32_t>(type), static_cast<std::uint32_t>(op)};
  posted_ = ticket;
  control(mine_).posted.store(ticket, std::memory_order_release);
  announce();
  if (!over_hosts_) advance();  // else it may block
  return ticket;
}

void HostReduction::finish(std::uint64_t ticket) {
  wait_until([&] {
    if (reduced_ < ticket) advance();
    return reduced_by_all() >= ticket;
  });
  const auto staged = std::find_if(staged_.begin(), staged_.end(), [&](const Staged& one) { return one.ticket == ticket; });
  if (staged == staged_.end()) return;
  std::memcpy(staged->original.data(), staged->copy, staged->original.size());
  regions_.deallocate(staged->copy);
  staged_.erase(staged);
}

int HostReduction::take_nonfinite() { return std::exchange(nonfinite_, -1); }

void HostReduction::advance() {
  if (reduced_ == posted_) return;
  for (const std::uint64_t last = posted_by_all(); reduced_ < last;) {
    reduce_slice(reduced_ + 1);
    ++reduced_;
    control(mine_).reduced.store(reduced_, std::memory_order_release);
    announce();
  }
}

void HostReduction::reduce_slice(std::uint64_t ticket) {
  const Post own = post(mine_, ticket);
  for (std::size_t rank = 0; rank < regions_.size(); ++rank) {
    const Post& other = post(rank, ticket);
    if (other.bytes != own.bytes || other.type != own.type || other.op != own.op)
      throw Error(fmt::format("reduction {}: this rank reduces {} bytes of type {}, local rank {} {} bytes of type {}\n  next: every rank "
                              "has to make the same calls in the same order, with tensors of the same sizes",
                              ticket, own.bytes, own.type, rank, other.bytes, other.type),
                  kExitSoftware);
    buffers_[rank] = regions_.region(rank) + other.offset;
  }
  const auto type = static_cast<ReduceType>(own.type);
  const auto op = static_cast<ReduceOp>(own.op);
  const std::size_t element = size_of(type), count = own.bytes / element;
  const std::size_t begin = slice_begin(count, mine_, regions_.size()), end = slice_begin(count, mine_ + 1, regions_.size());
  const int bad = reduce(buffers_, mine_, begin, end, type, op, !over_hosts_);
  if (bad >= 0) nonfinite_ = nonfinite_ < 0 ? bad : std::min(nonfinite_, bad);
  if (!over_hosts_) return;
  const std::span<std::byte> slice{buffers_[mine_] + begin * element, (end - begin) * element};
  over_hosts_(slice, type, op);
  for (std::size_t rank = 0; rank < regions_.size(); ++rank)
    if (rank != mine_) std::memcpy(buffers_[rank] + begin * element, slice.data(), slice.size());
}

void HostReduction::announce() {
  Control& shared = control(0);
  shared.changes.fetch_add(1);
  if (shared.sleepers.load() > 0) futex(shared.changes, FUTEX_WAKE, INT32_MAX, nullptr);
}

template <class Condition>
void HostReduction::wait_until(Condition condition) {
  Control& shared = control(0);
  for (int spins = 0;; ++spins) {
    const std::uint32_t seen = shared.changes.load();
    if (condition()) return;
    if (has_core_ && spins < kSpins) {
      pause();
      continue;
    }
    shared.sleepers.fetch_add(1);
    futex(shared.changes, FUTEX_WAIT, seen, &kSleep);  // at once where something has changed since; the time limit is for a rank that died
    shared.sleepers.fetch_sub(1);                      // between its change and the call that wakes
  }
}

}  // namespace holdfast
