#include <gtest/gtest.h>
#include <signal.h>

#include "launch/stop_signals.h"

namespace holdfast {
namespace {

using Meaning = StopRequests::Meaning;

TEST(StopRequestsTest, TheFirstOfAnyKindAsksForAStop) {
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) EXPECT_EQ(StopRequests().add(number, 0), Meaning::stop) << number;
}

TEST(StopRequestsTest, ASecondOneIsHasteOnlyAfterAWhile) {
  StopRequests requests;
  EXPECT_EQ(requests.add(SIGTERM, 10), Meaning::stop);
  EXPECT_EQ(requests.add(SIGTERM, 10), Meaning::nothing_new);
  EXPECT_EQ(requests.add(SIGINT, 10 + 0.9 * StopRequests::kHasteSeconds), Meaning::nothing_new);
  EXPECT_EQ(requests.add(SIGTERM, 10 + StopRequests::kHasteSeconds), Meaning::haste);
}

TEST(StopRequestsTest, WhatComesAheadOfATermIsNeverHaste) {
  StopRequests requests;
  EXPECT_EQ(requests.add(SIGUSR1, 0), Meaning::stop);
  EXPECT_EQ(requests.add(SIGUSR2, 5), Meaning::nothing_new);
  EXPECT_EQ(requests.add(SIGTERM, 10), Meaning::nothing_new);
  EXPECT_EQ(requests.add(SIGUSR1, 20), Meaning::nothing_new);
  EXPECT_EQ(requests.add(SIGTERM, 20), Meaning::haste);
}

}  // namespace
}  // namespace holdfast
