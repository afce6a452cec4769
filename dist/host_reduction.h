// All-reduces among the ranks of one host, by themselves: each posts where its values lie, and reduces its slice of them, reading the
// others' memory and writing to it. Nothing is copied where the values are in a shared region; a rank that is posting reduces what the
// others have posted already, so that a backward pass that posts bucket after bucket has little left at its end. Every element is summed
// in the order of the local ranks. One thread owns it. No MPI: over several hosts, a function that the maker passes adds up the slices.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "dist/communicator.h"
#include "dist/shared_regions.h"

namespace holdfast {

class HostReduction {
 public:
  /// Sums a slice over the ranks with the same local rank on all hosts, in place. Blocks. Null: there is one host.
  using OverHosts = std::function<void(std::span<std::byte>, ReduceType, ReduceOp)>;

  /// `regions` are mapped, by local rank; `mine`: this one's. `has_core`: no more ranks than cores, so that waiting in a loop takes
  /// nobody's time. Collective only in that all ranks of the host must make one.
  HostReduction(SharedRegions& regions, std::size_t mine, bool has_core, OverHosts over_hosts = {});

  /// Posts `buffer`, which is in the shared region or else copied there, and reduces what it can. Blocks only where another rank lags
  /// behind by hundreds of reductions. Throws Error where the ranks reduce different things.
  std::uint64_t start(std::span<std::byte> buffer, ReduceType type, ReduceOp op);
  /// Blocks until the reduction is complete. In any order.
  void finish(std::uint64_t ticket);
  /// Of the sums of floats since the last call: the lowest local rank with a value that was not finite, in the slices of this rank; -1:
  /// none.
  int take_nonfinite();

 private:
  struct Control;
  struct Post;
  struct Staged {
    std::uint64_t ticket;
    std::span<std::byte> original;
    std::byte* copy;
  };
  Control& control(std::size_t rank) const;
  Post& post(std::size_t rank, std::uint64_t ticket) const;
  std::uint64_t posted_by_all() const;
  std::uint64_t reduced_by_all() const;
  void reduce_slice(std::uint64_t ticket);
  /// Reduces what all have posted.
  void advance();
  void announce();
  template <class Condition>
  void wait_until(Condition condition);

  SharedRegions& regions_;
  std::size_t mine_;
  bool has_core_;
  OverHosts over_hosts_;
  std::uint64_t posted_ = 0, reduced_ = 0;
  int nonfinite_ = -1;
  std::deque<Staged> staged_;
  std::vector<std::byte*> buffers_;  // of the reduction at hand, by local rank
};

}  // namespace holdfast
