// A communicator of one rank whose all-reduces complete late and out of order: nothing is in the buffer before finish(), and
// the buffer holds rubbish in between, as a device would leave it. Doubles what it reduces, as if there were two equal ranks.
#pragma once

#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

#include "dist/communicator.h"
#include "dist/reduction_kernel.h"

namespace holdfast {

class LateCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  int local_rank() const override { return 0; }
  int local_size() const override { return 2; }

  Ticket start_all_reduce(std::span<std::byte> buffer, ReduceType type, ReduceOp op) override {
    if (op != ReduceOp::sum) throw std::invalid_argument("only sums");
    const Ticket ticket = next_--;  // out of order
    Operation& operation = pending_[ticket];
    operation.buffer = buffer;
    operation.type = type;
    operation.values.assign(buffer.begin(), buffer.end());
    std::memset(buffer.data(), 0xFF, buffer.size());  // NaN until finished
    return ticket;
  }
  void finish(Ticket ticket) override {
    const auto found = pending_.find(ticket);
    if (found == pending_.end()) throw std::logic_error("finished twice or never started");
    Operation& operation = found->second;
    const std::vector<std::byte> same = operation.values;
    std::byte* const both[] = {operation.values.data(), const_cast<std::byte*>(same.data())};
    reduce(both, 0, 0, same.size() / size_of(operation.type), operation.type, ReduceOp::sum, /*is_shared_out=*/false);
    std::memcpy(operation.buffer.data(), operation.values.data(), operation.values.size());
    pending_.erase(found);
  }
  Vote vote(const Vote& mine) override {
    if (!pending_.empty()) throw std::logic_error("voted before every all-reduce was finished");
    Vote both = mine;
    combine(both, mine);
    return both;
  }
  void broadcast(std::span<std::byte>, int) override {}
  std::vector<std::string> gather(const std::string& mine, int) override { return {mine, mine}; }
  void barrier() override {}
  int take_nonfinite_rank() override { return std::exchange(nonfinite_rank, -1); }
  int nonfinite_rank = -1;  // as if a sum had found values that are not finite on that rank

 private:
  struct Operation {
    std::span<std::byte> buffer;
    ReduceType type = ReduceType::f32;
    std::vector<std::byte> values;
  };
  std::map<Ticket, Operation> pending_;
  Ticket next_ = 1000;
};

}  // namespace holdfast
