#include "launch/lease/join.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <thread>

#include "launch/lease/leases.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

TEST(Join, TriesEveryAddressUntilSomebodyWelcomesIt) {
  const Listener stranger;
  const SystemClock clock;
  Leases leases(clock, "token",
                {.joined = [](int, const std::string&) {}, .said = [](int, const auto&) {}, .lost = [](int, const auto&) {}});
  Joined joined;
  std::thread shim([&] {
    joined = join(fmt::format("127.0.0.1:1,{},{}", stranger.address(), leases.address()),
                  {{"hello", {{"token", "token"}, {"attempt", 1}, {"rank", 0}, {"host", "a"}}}}, 10);
  });
  EXPECT_TRUE(wait_until([&] {
    leases.take_messages(1);
    return leases.connected() == 1;
  }));
  shim.join();
  ASSERT_TRUE(joined.line);
  EXPECT_TRUE(joined.line->is_open());
  EXPECT_THAT(joined.heard_so_far, testing::IsEmpty());
}

TEST(Join, EndsWhenNobodyWelcomesIt) {
  const Listener stranger;  // takes connections, and says nothing
  EXPECT_FALSE(join(stranger.address(), {{"hello", 1}}, 0.3).line);
}

}  // namespace
}  // namespace holdfast
