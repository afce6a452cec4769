// Ranks that are threads of this process: they exchange texts over shared memory.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "exchange.h"

namespace holdfast {

class ThreadRanks final : public Exchange {
 public:
  explicit ThreadRanks(int size) : slots_(static_cast<std::size_t>(size)) {}
  int size() const override { return static_cast<int>(slots_.size()); }
  std::vector<std::string> exchange(int rank, std::string mine) override {
    std::unique_lock lock(mutex_);
    require_all_here();
    slots_[static_cast<std::size_t>(rank)] = std::move(mine);
    const std::uint64_t round = round_;
    if (++arrived_ == slots_.size()) {
      arrived_ = 0;
      ++round_;
      result_ = slots_;
      changed_.notify_all();
    } else if (!changed_.wait_for(lock, std::chrono::seconds(20), [&] { return round_ != round || is_lost_; })) {
      throw std::logic_error("a rank never came to a collective that others wait in");
    }
    if (round_ == round) require_all_here();
    return result_;  // the next one needs this rank, so that it is still this round's
  }
  /// A rank has died: those who wait for it, now or later, get PeerLost.
  void lose() {
    const std::lock_guard lock(mutex_);
    is_lost_ = true;
    changed_.notify_all();
  }

 private:
  void require_all_here() const {
    if (is_lost_) throw PeerLost("a rank of the test has died");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> slots_, result_;
  std::size_t arrived_ = 0;
  std::uint64_t round_ = 0;
  bool is_lost_ = false;
};

}  // namespace holdfast
