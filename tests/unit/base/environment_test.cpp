#include "base/environment.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace holdfast {
namespace {

TEST(Environment, NumbersAreAsLargeAsTheirType) {
  ::setenv("HOLDFAST_TEST_NUMBER", "3000000000", 1);
  EXPECT_EQ(environment::get_number("HOLDFAST_TEST_NUMBER", std::int64_t{0}), 3'000'000'000) << "a step";
  EXPECT_EQ(environment::get_number("HOLDFAST_TEST_NUMBER", 0), 2'147'483'647);
  ::setenv("HOLDFAST_TEST_NUMBER", "-7", 1);
  EXPECT_EQ(environment::get_number("HOLDFAST_TEST_NUMBER", 0), -7);
  ::unsetenv("HOLDFAST_TEST_NUMBER");
  EXPECT_EQ(environment::get_number("HOLDFAST_TEST_NUMBER", 5), 5);
}

}  // namespace
}  // namespace holdfast
