// A device that carries out what is queued in its streams as late, and as far out of order, as the recorded waits allow. Work is a
// function; streams are the three of dist/streams.h. One favoured stream runs ahead of all others, the rest runs only where something waits
// for it: each order that a missing wait would allow is that of some favoured stream.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "dist/streams.h"

namespace holdfast {

class LateDevice final : public Streams {
 public:
  explicit LateDevice(StreamName favoured) : favoured_(favoured) {}

  void queue(StreamName stream, std::function<void()> work) { add(stream, {.work = std::move(work), .mark = 0, .awaited = 0}); }
  Mark record(StreamName stream) override {
    const Mark mark = ++marks_;
    places_[mark] = {stream, at(stream).done + at(stream).items.size()};
    ++live_marks_;
    return mark;
  }
  void wait(StreamName stream, Mark mark) override { add(stream, {.work = {}, .mark = 0, .awaited = mark}); }
  void block(Mark mark) override { reach(mark); }
  void release(Mark) override { --live_marks_; }
  /// All that is queued, at the end of a test.
  void finish() {
    for (const StreamName stream : {StreamName::copy, StreamName::communication, StreamName::compute})
      run_until(stream, at(stream).done + at(stream).items.size());
  }
  int live_marks() const { return live_marks_; }

 private:
  struct Item {
    std::function<void()> work;
    Mark mark;
    Mark awaited;
  };
  struct Stream {
    std::deque<Item> items;
    std::size_t done = 0;
  };
  struct Place {
    StreamName stream;
    std::size_t length;  // how much of the stream comes before it
  };
  Stream& at(StreamName stream) { return streams_[static_cast<std::size_t>(stream)]; }
  void add(StreamName stream, Item item) {
    at(stream).items.push_back(std::move(item));
    if (stream == favoured_) run_until(stream, at(stream).done + at(stream).items.size());
  }
  void reach(Mark mark) { run_until(places_.at(mark).stream, places_.at(mark).length); }
  void run_until(StreamName stream, std::size_t length) {
    while (at(stream).done < length) {
      Item item = std::move(at(stream).items.front());
      at(stream).items.pop_front();
      ++at(stream).done;
      if (item.awaited != 0) reach(item.awaited);
      if (item.work) item.work();
    }
  }

  StreamName favoured_;
  std::array<Stream, 3> streams_;
  std::map<Mark, Place> places_;
  Mark marks_ = 0;
  int live_marks_ = 0;
};

}  // namespace holdfast
