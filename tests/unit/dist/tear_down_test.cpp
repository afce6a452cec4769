#include "dist/tear_down.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>

#include "base/exit_code.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr double kBoundSeconds = 5;  // what the limits below add up to is a tenth of that

/// Blocks for ever, as an abort of a device that does not answer does; the test opens it again at its end.
class Stuck {
 public:
  std::function<void()> work() {
    return [held = held_] {
      ++held->entered;
      held->open.get_future().wait();
    };
  }
  int entered() const { return held_->entered; }
  ~Stuck() { held_->open.set_value(); }

 private:
  struct Held {
    std::atomic<int> entered{0};
    std::promise<void> open;
  };
  std::shared_ptr<Held> held_ = std::make_shared<Held>();
};

struct Record {
  std::vector<std::string> events;
  std::mutex mutex;
  void add(const std::string& event) {
    const std::lock_guard lock(mutex);
    events.push_back(event);
  }
};

DeviceTearDown tear_down_into(Record& record) {
  return {.write_down = [&record](const std::string& why) { record.add("write " + why); },
          .abort = [&record] { record.add("abort"); },
          .write_limit = milliseconds(2000),
          .abort_limit = milliseconds(2000),
          .leave = [&record](int code) { record.add("leave " + std::to_string(code)); }};
}

double seconds_of(const std::function<void()>& work) {
  const SystemClock clock;
  const double start = clock.seconds();
  work();
  return clock.seconds() - start;
}

TEST(TearDown, WritesDownThenAbortsThenLeavesWithTheCodeOfALostPeer) {
  Record record;
  tear_down_into(record).run("it hangs");
  EXPECT_EQ(record.events, (std::vector<std::string>{"write it hangs", "abort", "leave 69"}));
}

TEST(TearDown, LeavesAlthoughTheAbortHangs) {
  Record record;
  Stuck stuck;
  DeviceTearDown tear_down = tear_down_into(record);
  tear_down.abort = stuck.work();
  tear_down.abort_limit = milliseconds(100);
  EXPECT_LT(seconds_of([&] { tear_down.run("it hangs"); }), kBoundSeconds);
  EXPECT_EQ(stuck.entered(), 1);
  EXPECT_EQ(record.events, (std::vector<std::string>{"write it hangs", "leave 69"}));
}

TEST(TearDown, AbortsAlthoughTheDiskDoesNotAnswer) {
  Record record;
  Stuck stuck;
  DeviceTearDown tear_down = tear_down_into(record);
  tear_down.write_down = [work = stuck.work()](const std::string&) { work(); };
  tear_down.write_limit = milliseconds(100);
  EXPECT_LT(seconds_of([&] { tear_down.run("it hangs"); }), kBoundSeconds);
  EXPECT_EQ(record.events, (std::vector<std::string>{"abort", "leave 69"}));
}

TEST(TearDown, GoesOnAfterAFailureOfItsParts) {
  Record record;
  DeviceTearDown tear_down = tear_down_into(record);
  tear_down.write_down = [](const std::string&) { throw std::runtime_error("the disk is full"); };
  tear_down.abort = [] { throw std::runtime_error("invalid usage"); };
  tear_down.run("it hangs");
  EXPECT_EQ(record.events, (std::vector<std::string>{"leave 69"}));
}

struct NeverEnds final : OperationMarks {
  bool has_started() override { return true; }
  bool is_done() override { return false; }
  std::string failure() override { return ""; }
};

struct Watched {
  std::unique_ptr<FlightRing> ring = std::make_unique<FlightRing>();
  FlightRecorder recorder{*ring};
  SystemClock clock;
  Watchdog watchdog;
  explicit Watched(double deadline_seconds)
      : watchdog({.recorder = recorder, .clock = clock, .deadline_seconds = deadline_seconds, .failure = [] { return std::string(); }}) {
    watchdog.watch(watchdog.begin(OperationKind::all_reduce, 64), 64, std::make_unique<NeverEnds>());
  }
};

TEST(WatchdogThread, TearsDownAProcessWhoseDeviceWaitsForEverAlsoWhereTheAbortHangs) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        Watched watched(0.05);
        Stuck stuck;
        Record record;
        DeviceTearDown tear_down = tear_down_into(record);
        tear_down.write_down = [](const std::string& why) { std::fprintf(stderr, "written down: %s\n", why.c_str()); };
        tear_down.abort = stuck.work();
        tear_down.abort_limit = milliseconds(100);
        tear_down.leave = [](int code) { ::_exit(code); };
        const WatchdogThread thread(watched.watchdog, tear_down, milliseconds(5));
        std::promise<void>().get_future().wait();  // the training thread, in a call that does not return
      },
      testing::ExitedWithCode(kExitUnavailable), "written down: operation 1 on the device");
}

TEST(WatchdogThread, DecidesWhatTheProcessEndsWithOnceItTearsDown) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        Watched watched(0.05);
        Record record;
        std::promise<void> begun;
        DeviceTearDown tear_down = tear_down_into(record);
        tear_down.write_down = [&begun](const std::string&) { begun.set_value(); };
        Stuck stuck;
        tear_down.abort = stuck.work();
        tear_down.abort_limit = milliseconds(200);
        tear_down.leave = [](int code) { ::_exit(code); };
        {
          const WatchdogThread thread(watched.watchdog, tear_down, milliseconds(5));
          begun.get_future().wait();
        }  // as the training thread does when the abort has made its call fail
        ::_exit(kExitSoftware);
      },
      testing::ExitedWithCode(kExitUnavailable), "");
}

TEST(WatchdogThread, EndsAtOnceWhereAllIsWell) {
  Record record;
  Watched watched(1e6);
  EXPECT_LT(seconds_of([&] { const WatchdogThread thread(watched.watchdog, tear_down_into(record), milliseconds(1000000)); }),
            kBoundSeconds);
  EXPECT_TRUE(record.events.empty());
}

}  // namespace
}  // namespace holdfast
