#include "base/host.h"

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace holdfast
