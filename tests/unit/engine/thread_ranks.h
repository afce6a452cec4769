// Ranks that are threads of this process: the collectives of the Communicator over shared memory.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "dist/communicator.h"

namespace holdfast {

class ThreadRanks {
 public:
  explicit ThreadRanks(int size) : slots_(static_cast<std::size_t>(size)) {}
  int size() const { return static_cast<int>(slots_.size()); }

  /// Blocks until every rank has given its text; the texts of all by rank. Throws PeerLost when one is gone.
  std::vector<std::string> exchange(int rank, std::string mine) {
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

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(ThreadRanks& ranks, int rank) : ranks_(ranks), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return ranks_.size(); }
  int local_rank() const override { return rank_; }
  int local_size() const override { return ranks_.size(); }
  Ticket start_all_reduce(std::span<std::byte>, ReduceType, ReduceOp) override { throw std::logic_error("checkpoints need no all-reduce"); }
  void finish(Ticket) override { throw std::logic_error("nothing was started"); }
  Vote vote(const Vote& mine) override {
    Vote combined;
    for (const std::string& bytes : ranks_.exchange(rank_, std::string(reinterpret_cast<const char*>(&mine), sizeof mine))) {
      Vote one;
      std::memcpy(&one, bytes.data(), sizeof one);
      combine(combined, one);
    }
    return combined;
  }
  void broadcast(std::span<std::byte> buffer, int root) override {
    const std::string mine = rank_ == root ? std::string(reinterpret_cast<const char*>(buffer.data()), buffer.size()) : std::string();
    const std::string text = ranks_.exchange(rank_, mine)[static_cast<std::size_t>(root)];
    if (text.size() != buffer.size()) throw std::logic_error("ranks broadcast buffers of different sizes");
    std::copy_n(text.data(), text.size(), reinterpret_cast<char*>(buffer.data()));
  }
  std::vector<std::string> gather(const std::string& mine, int root) override {
    std::vector<std::string> all = ranks_.exchange(rank_, mine);
    return rank_ == root ? all : std::vector<std::string>();
  }
  void barrier() override { ranks_.exchange(rank_, ""); }

 private:
  ThreadRanks& ranks_;
  int rank_;
};

}  // namespace holdfast
