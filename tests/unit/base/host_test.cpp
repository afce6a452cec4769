#include "base/host.h"

#include <gmock/gmock.h>
#include <sched.h>

#include <set>

namespace holdfast {
namespace {

TEST(UtcTime, IsWrittenWithMilliseconds) {
  EXPECT_EQ(utc_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_time(1769860800.125), "2026-01-31T12:00:00.125Z");
  EXPECT_EQ(utc_time(1709164799.5), "2024-02-28T23:59:59.500Z");
}

TEST(RandomToken, Has32HexadecimalDigitsAndIsNeverTheSame) {
  std::set<std::string> tokens;
  for (int i = 0; i < 100; ++i) {
    tokens.insert(random_token());
    EXPECT_THAT(*tokens.rbegin(), testing::MatchesRegex("[0-9a-f]{32}"));
  }
  EXPECT_EQ(tokens.size(), 100u);
}

TEST(Host, HasANameAndACore) {
  EXPECT_NE(host_name(), "");
  EXPECT_GE(usable_cores(), 1);
}

TEST(KeepCores, EachPartHasCoresOfItsOwnAndTogetherTheyAreAll) {
  const int cores = usable_cores();
  cpu_set_t before, together;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&together);
  const auto put_back = [&] { ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0); };
  for (int part = 0; part < cores; ++part) {
    const std::int64_t all = usable_cores_digest();
    EXPECT_EQ(usable_cores_digest(), all);
    ASSERT_TRUE(keep_cores(part, cores));
    EXPECT_EQ(usable_cores_digest() == all, cores == 1);
    EXPECT_EQ(usable_cores(), 1);
    cpu_set_t kept, common;
    ASSERT_EQ(::sched_getaffinity(0, sizeof kept, &kept), 0);
    CPU_AND(&common, &kept, &together);
    EXPECT_EQ(CPU_COUNT(&common), 0);
    CPU_OR(&together, &together, &kept);
    put_back();
  }
  EXPECT_TRUE(CPU_EQUAL(&together, &before));
  EXPECT_FALSE(keep_cores(0, cores + 1));
  EXPECT_EQ(usable_cores(), cores);
}

}  // namespace
}  // namespace holdfast
