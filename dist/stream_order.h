// The order between the queues of a device that an all-reduce and a copy to the host need: each rule is one call here, and nothing else in
// the trainer makes a queue wait for another.
#pragma once

#include <cstdint>
#include <map>

#include "dist/streams.h"

namespace holdfast {

/// All-reduces of what the compute queue has written, in the communication queue. Calls of one thread at a time.
class AllReduceOrder {
 public:
  explicit AllReduceOrder(Streams& streams) : streams_(streams) {}
  /// Before the operation is queued: it comes after all that has been computed by now.
  void before();
  /// After it was queued.
  void after(std::uint64_t ticket);
  /// What is computed from now on comes after the operation. Does not block the caller.
  void finish(std::uint64_t ticket);

 private:
  Streams& streams_;
  std::map<std::uint64_t, Streams::Mark> ends_;
};

/// Copies of state to the host, behind the computing, of what it was when this was made. What is copied must not be written to until the
/// last copy has returned.
class CopyOrder {
 public:
  /// By the thread that computes.
  explicit CopyOrder(Streams& streams) : streams_(streams), moment_(streams.record(StreamName::compute)) {}
  ~CopyOrder() { streams_.release(moment_); }
  CopyOrder(const CopyOrder&) = delete;
  CopyOrder& operator=(const CopyOrder&) = delete;
  /// Before a copy is queued in the copy queue. Any thread.
  void before() { streams_.wait(StreamName::copy, moment_); }
  /// After it was queued: returns when the bytes are in the host's memory.
  void after();

 private:
  Streams& streams_;
  Streams::Mark moment_;
};

}  // namespace holdfast
