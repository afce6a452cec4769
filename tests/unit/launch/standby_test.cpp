// What becomes of a run whose next attempt cannot be started ahead. What standing by does for a run: fault.standby.
#include "launch/attempt/standby.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/unit/base/fake_clock.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Standby, ThatCannotBeStartedIsTriedAgainLaterAndTheRunGoesOn) {
  FakeClock clock;
  int tries = 0;
  std::vector<json> told;
  Standby standby(clock, {.start = [&](int, Leases::Handlers) -> AttemptProcesses {
                            ++tries;
                            throw StorageError("there is no room in /dev/shm");
                          },
                          .journal =
                              [&](const std::string& event, json fields) {
                                fields["event"] = event;
                                told.push_back(std::move(fields));
                              }});
  standby.want(2, 2, {});
  standby.tick();
  EXPECT_EQ(tries, 0) << "the attempt that trains comes first";
  for (const double wait : {1.0, 1.0, 2.0, 4.0}) {  // seconds, each after the one before
    clock.now += wait - 0.01;
    const int before = tries;
    standby.tick();
    EXPECT_EQ(tries, before);
    clock.now += 0.02;
    standby.tick();
    EXPECT_EQ(tries, before + 1);
    EXPECT_EQ(told.back()["event"], "standby_lost");
    EXPECT_THAT(told.back()["error"].get<std::string>(), HasSubstr("no room in /dev/shm"));
  }
  EXPECT_FALSE(standby.is_ready(2, 2, {}));
  standby.ping();
  standby.unwant();
  clock.now += 1000;
  standby.tick();
  EXPECT_EQ(tries, 4);
}

}  // namespace
}  // namespace holdfast
