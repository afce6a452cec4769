#include "launch/shim/log_tail.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "launch/shim/exit_record.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kLongestMessage = 64 << 10;  // of a LineConnection, which closes at more

class LogTailTest : public testing::Test {
 protected:
  void print(const std::string& text) { std::ofstream(path_, std::ios::app | std::ios::binary) << text; }
  TemporaryDirectory directory_;
  Path path_ = directory_.path() / "rank-0.log";
};

TEST_F(LogTailTest, GivesEachLineOnceAndWhole) {
  LogTail tail(path_);
  EXPECT_THAT(tail.new_lines(), IsEmpty());
  print("one\ntwo\nthr");
  EXPECT_THAT(tail.new_lines(), ElementsAre("one", "two"));
  EXPECT_THAT(tail.new_lines(), IsEmpty());
  print("ee\n\n");
  EXPECT_THAT(tail.new_lines(), ElementsAre("three", ""));
}

TEST_F(LogTailTest, StartsAtThePresentEnd) {
  print("of an earlier start\n");
  LogTail tail(path_);
  EXPECT_THAT(tail.new_lines(), IsEmpty());
  print("new\n");
  EXPECT_THAT(tail.new_lines(), ElementsAre("new"));
}

TEST_F(LogTailTest, CutsALineThatNoMessageCanCarry) {
  LogTail tail(path_);
  print("before\n" + std::string(30000, '\x01'));  // each byte is six in JSON
  std::vector<std::string> lines = tail.new_lines();
  EXPECT_THAT(lines, ElementsAre("before"));
  print(std::string(30000, '\x01') + "\nbehind\n");
  lines = tail.new_lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with("\x01\x01") && lines[0].ends_with("…")) << lines[0].size();
  EXPECT_LT(nlohmann::json({{"log", lines[0]}}).dump().size(), kLongestMessage);
  EXPECT_EQ(lines[1], "behind");
}

TEST_F(LogTailTest, OfAFloodTheNewestLinesStayBelowOneThatSaysSo) {
  LogTail tail(path_);
  std::string flood;
  for (int i = 0; i < 100000; ++i) flood += fmt::format("line {}\n", i);
  print(flood);
  const std::vector<std::string> lines = tail.new_lines();
  ASSERT_EQ(lines.size(), 1001u);
  const std::size_t shown = 1000 * std::string("line 99000\n").size();
  EXPECT_EQ(lines.front(),
            fmt::format("… {} KiB of output are not shown; {} has them", (flood.size() - shown + 1023) / 1024, path_.string()));
  EXPECT_EQ(lines[1], "line 99000");
  EXPECT_EQ(lines.back(), "line 99999");
}

TEST_F(LogTailTest, LeavesALineOfUsualLengthAsItIs) {
  LogTail tail(path_);
  const std::string line(4000, 'x');
  print(line + "\n");
  EXPECT_THAT(tail.new_lines(), ElementsAre(line));
}

TEST_F(LogTailTest, LastLinesAreTheLastOnesWithTheUnfinishedOne) {
  EXPECT_THAT(last_lines(path_, 3), IsEmpty());
  print("one\n");
  EXPECT_THAT(last_lines(path_, 3), ElementsAre("one"));
  print("two\nthree\nfour\nfi");
  EXPECT_THAT(last_lines(path_, 3), ElementsAre("three", "four", "fi"));
}

TEST_F(LogTailTest, LastLinesOfAHugeFileFitIntoAnExitRecord) {
  print(std::string(1 << 20, '\x01') + "\nlast\n");
  ExitRecord record{.error = std::string(1023, '\x01'), .last_lines = last_lines(path_, 20)};
  ASSERT_FALSE(record.last_lines.empty());
  EXPECT_EQ(record.last_lines.back(), "last");
  EXPECT_LT(nlohmann::json({{"exit", to_json(record)}}).dump().size(), kLongestMessage);
}

}  // namespace
}  // namespace holdfast
