#include "options/duration.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

TEST(Duration, IsReadInEachOfItsForms) {
  EXPECT_EQ(duration_from("5400"), 5400);
  EXPECT_EQ(duration_from("0.5"), 0.5);
  EXPECT_EQ(duration_from("3h30m"), 12600);
  EXPECT_EQ(duration_from("1d2h3m4s"), 93784);
  EXPECT_EQ(duration_from("1.5h"), 5400);
  EXPECT_EQ(duration_from("00:12:00:00"), 43200) << "days to seconds, as Lightning's max_time";
  EXPECT_EQ(duration_from("01:00:00:01"), 86401);
  EXPECT_EQ(duration_from("36:00:00"), 129600);
}

TEST(Duration, IsNothingElse) {
  for (const char* text : {"",          "0",     "00:00:00:00", "-5",          "5x",          "h",           "3m2h",
                           "2h2h",      "12:30", "1:2:3:4:5",   "00:00:61:00", "00:00:00:60", "01:24:00:00", "1:-2:03:04",
                           "1.5:00:00", "nan",   "inf",         "1e3",         "3h30",        " 5"})
    EXPECT_EQ(duration_from(text), std::nullopt) << "'" << text << "'";
}

}  // namespace
}  // namespace holdfast
