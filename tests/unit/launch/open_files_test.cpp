#include "launch/lease/open_files.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "base/error.h"

namespace holdfast {
namespace {

class OpenFiles : public testing::Test {
 protected:
  OpenFiles() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~OpenFiles() override { ::setrlimit(RLIMIT_NOFILE, &before_); }
  static rlim_t allowed() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
  }
  rlimit before_{};
};

TEST_F(OpenFiles, AreAllowedUpToTheHardLimit) {
  const rlimit low{.rlim_cur = 100, .rlim_max = before_.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  allow_open_files(200);
  EXPECT_EQ(allowed(), 200u);
  allow_open_files(150);
  EXPECT_EQ(allowed(), 200u) << "never fewer";
}

TEST_F(OpenFiles, BeyondItAreRefusedWithBothNumbersAndNothingIsChanged) {
  try {
    allow_open_files(std::int64_t{1} << 40);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), kExitConfiguration);
    EXPECT_THAT(error.what(), testing::HasSubstr("1099511627776 open files"));
  }
  EXPECT_EQ(allowed(), before_.rlim_cur);
}

TEST_F(OpenFiles, OfASupervisorAreOneForEachRankAndTwoWithStandby) {
  EXPECT_EQ(open_files_for(10000, true) - open_files_for(10000, false), 10000);
  EXPECT_GT(open_files_for(10000, false), 10000);
}

}  // namespace
}  // namespace holdfast
