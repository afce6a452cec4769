// The queues of a device, as far as their order matters: each carries out what is queued in it in order, and knows nothing of the others
// but for the waits that were queued. Tests have one that runs as late and as far out of order as the waits allow.
#pragma once

#include <cstdint>

namespace holdfast {

enum class StreamName { compute, communication, copy };

class Streams {
 public:
  virtual ~Streams() = default;
  /// A point in a queue: everything that was queued there before. `compute` is the calling thread's own queue.
  using Mark = std::uint64_t;
  /// Puts a mark at the end of the queue, which holds until release().
  virtual Mark record(StreamName stream) = 0;
  /// What is queued in `stream` from now on comes after the mark.
  virtual void wait(StreamName stream, Mark mark) = 0;
  /// The calling thread comes after the mark: it blocks.
  virtual void block(Mark mark) = 0;
  /// Waits that were queued stay.
  virtual void release(Mark mark) = 0;
};

}  // namespace holdfast
