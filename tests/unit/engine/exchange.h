// The collectives of the Communicator over one operation: every rank gives a text and gets the texts of all.
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "dist/communicator.h"

namespace holdfast {

class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual int size() const = 0;
  /// Blocks until every rank has given its text; the texts of all by rank. Throws PeerLost when one is gone.
  virtual std::vector<std::string> exchange(int rank, std::string mine) = 0;
};

class ExchangeCommunicator final : public Communicator {
 public:
  ExchangeCommunicator(Exchange& ranks, int rank) : ranks_(ranks), rank_(rank) {}
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
    std::memcpy(buffer.data(), text.data(), text.size());
  }
  std::vector<std::string> gather(const std::string& mine, int root) override {
    std::vector<std::string> all = ranks_.exchange(rank_, mine);
    return rank_ == root ? all : std::vector<std::string>();
  }
  void barrier() override { ranks_.exchange(rank_, ""); }

 private:
  Exchange& ranks_;
  int rank_;
};

}  // namespace holdfast
