#include "launch/shim/device_records.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/flight_record.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

class DeviceRecords : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(layout.attempt_logs(2)); }
  void write(int rank, FlightProgress progress) {
    const auto ring = std::make_unique<FlightRing>();
    ring->queued = progress.queued;
    ring->started = progress.started;
    ring->ended = progress.ended;
    write_device_record(layout.operations(2, rank), *ring, rank, "why");
  }
  TemporaryDirectory directory;
  RunLayout layout{directory.path()};
};

TEST_F(DeviceRecords, TellWhoWasBehind) {
  write(0, {8, 8, 7});
  write(1, {7, 7, 7});
  EXPECT_EQ(who_is_behind(layout, 2, 2), "rank 1 has not begun operation 8, which rank 0 has");
}

TEST_F(DeviceRecords, AreNotWrittenByARankThatHasQueuedNothing) {
  write(0, {0, 0, 0});
  EXPECT_FALSE(std::filesystem::exists(layout.operations(2, 0)));
  EXPECT_EQ(who_is_behind(layout, 2, 2), "");
}

TEST_F(DeviceRecords, OfAnAttemptWithoutADirectoryOfLogsTellNothing) { EXPECT_EQ(who_is_behind(layout, 3, 2), ""); }

TEST_F(DeviceRecords, ThatAreDamagedAreLeftOut) {
  write(0, {8, 8, 7});
  write(1, {7, 7, 7});
  write(2, {8, 8, 7});
  std::ofstream(layout.operations(2, 0)) << R"({"rank": 0, "queued": )";
  EXPECT_EQ(who_is_behind(layout, 2, 3), "rank 1 has not begun operation 8, which rank 2 has");
}

}  // namespace
}  // namespace holdfast
