#include "dist/stream_order.h"

#include <stdexcept>

namespace holdfast {

void AllReduceOrder::before() {
  const Streams::Mark computed = streams_.record(StreamName::compute);
  streams_.wait(StreamName::communication, computed);
  streams_.release(computed);
}

void AllReduceOrder::after(std::uint64_t ticket) { ends_[ticket] = streams_.record(StreamName::communication); }

void AllReduceOrder::finish(std::uint64_t ticket) {
  const auto end = ends_.find(ticket);
  if (end == ends_.end()) throw std::logic_error("an all-reduce that was not started, or is finished already");
  streams_.wait(StreamName::compute, end->second);
  streams_.release(end->second);
  ends_.erase(end);
}

void CopyOrder::after() {
  const Streams::Mark copied = streams_.record(StreamName::copy);
  streams_.block(copied);
  streams_.release(copied);
}

}  // namespace holdfast
