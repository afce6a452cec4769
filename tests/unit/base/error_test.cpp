#include "base/error.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(ErrorText, SaysEverythingInOneOrder) {
  EXPECT_EQ(to_string({.attempted = "read a", .expected = "4 bytes", .found = "3", .cause = "a short file", .next = "copy it again"}),
            "read a: expected 4 bytes, found 3: a short file\n  next: copy it again");
}

TEST(ErrorText, LeavesEmptyPartsOut) {
  EXPECT_EQ(to_string({.attempted = "read a"}), "read a");
  EXPECT_EQ(to_string({.attempted = "read a", .cause = "Is a directory"}), "read a: Is a directory");
  EXPECT_EQ(to_string({.attempted = "read a", .found = "3 bytes"}), "read a: found 3 bytes");
  EXPECT_EQ(to_string({.attempted = "read a", .expected = "4 bytes"}), "read a: expected 4 bytes");
  EXPECT_EQ(to_string({.attempted = "read a", .next = "copy it again"}), "read a\n  next: copy it again");
}

template <class E>
int code_of() {
  const E error("what");
  EXPECT_STREQ(error.what(), "what");
  return static_cast<const Error&>(error).exit_code();
}

TEST(Error, TypeGivesTheExitCode) {
  EXPECT_EQ(code_of<UsageError>(), 64);
  EXPECT_EQ(code_of<DataError>(), 65);
  EXPECT_EQ(code_of<CorruptCheckpoint>(), 65);
  EXPECT_EQ(code_of<PeerLost>(), 69);
  EXPECT_EQ(code_of<StorageError>(), 74);
  EXPECT_EQ(code_of<ConfigError>(), 78);
  EXPECT_EQ(Error("what", 3).exit_code(), 3);
}

TEST(ExitCode, HasTheNumbersOfSysexits) {
  EXPECT_EQ(kExitOk, 0);
  EXPECT_EQ(kExitDifferent, 1);
  EXPECT_EQ(kExitSoftware, 70);
  EXPECT_EQ(kExitTemporary, 75);
}

}  // namespace
}  // namespace holdfast
