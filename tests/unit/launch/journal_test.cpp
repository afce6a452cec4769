#include "launch/journal.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/error.h"
#include "tests/unit/base/fake_clock.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class JournalTest : public testing::Test {
 protected:
  void leave(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  TemporaryDirectory directory_;
  Path path_ = directory_.path() / "journal.jsonl";
  FakeClock clock_;
};

TEST_F(JournalTest, AddsEventAndTimeToTheFields) {
  Journal(path_, clock_).write("restart", {{"after_attempt", 1}, {"delay_seconds", 0.5}});
  EXPECT_EQ(Journal::read(path_), (std::vector<json>{{{"event", "restart"},
                                                      {"time", "1970-01-01T00:16:40.500Z"},
                                                      {"unix_seconds", 1000.5},
                                                      {"after_attempt", 1},
                                                      {"delay_seconds", 0.5}}}));
}

TEST_F(JournalTest, ShowsALineThatCanWaitAtOnceAndInItsPlace) {
  Journal journal(path_, clock_);
  journal.write("attempt_started", {{"attempt", 1}});
  journal.write("rank_lost", {{"rank", 3}}, Journal::Durability::with_next_line);
  EXPECT_EQ(Journal::read(path_).size(), 2u);
  journal.write("attempt_ended", {{"attempt", 1}});
  EXPECT_EQ(Journal::read(path_)[1]["rank"], 3);
}

TEST_F(JournalTest, IsReadableWhileItIsWritten) {
  Journal journal(path_, clock_);
  for (int n = 1; n <= 3; ++n) {
    journal.write("attempt_started", {{"attempt", n}});
    EXPECT_EQ(Journal::read(path_).size(), static_cast<std::size_t>(n));
  }
}

TEST_F(JournalTest, GoesOnBehindWhatIsThere) {
  Journal(path_, clock_).write("run_started", {});
  Journal(path_, clock_).write("done", {});
  const std::vector<json> lines = Journal::read(path_);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["event"], "done");
}

TEST_F(JournalTest, OfNobodyIsEmpty) {
  EXPECT_TRUE(Journal::read(path_).empty());
  EXPECT_EQ(Journal::newest_attempt({}), 0);
}

TEST_F(JournalTest, LeavesATornLastLineOut) {
  Journal(path_, clock_).write("attempt_started", {{"attempt", 4}});
  leave(R"({"attempt": 5, "event": "atte)");
  ASSERT_EQ(Journal::read(path_).size(), 1u);
  EXPECT_EQ(Journal::newest_attempt(Journal::read(path_)), 4);
}

TEST_F(JournalTest, StartsItsOwnLineBehindATornOne) {
  leave(R"({"attempt": 5, "event": "atte)");
  Journal(path_, clock_).write("attempt_started", {{"attempt", 6}});
  const std::vector<json> lines = Journal::read(path_);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["attempt"], 6);
}

TEST_F(JournalTest, KnowsTheNewestAttemptByNumberNotByPlace) {
  leave("{\"attempt\": 12}\n{\"attempt\": 3}\n{\"after_attempt\": 99}\n");
  EXPECT_EQ(Journal::newest_attempt(Journal::read(path_)), 12);
}

TEST_F(JournalTest, StaysReadableWhateverBytesARankPrinted) {
  Journal(path_, clock_).write("rank_lost", {{"error", "caf\xe9 \n \x01"}});
  const std::vector<json> lines = Journal::read(path_);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["error"], "caf\uFFFD \n \x01");
}

TEST_F(JournalTest, NamesTheFileThatItCannotOpen) {
  const Path missing = directory_.path() / "gone" / "journal.jsonl";
  try {
    Journal(missing, clock_);
    FAIL() << "opened " << missing;
  } catch (const StorageError& error) {
    EXPECT_EQ(std::string(error.what()), "open the journal " + missing.string() + ": No such file or directory");
  }
}

TEST_F(JournalTest, ThrowsWhenTheDeviceIsFull) {
  Journal journal("/dev/full", clock_);
  try {
    journal.write("done", {});
    FAIL() << "written to /dev/full";
  } catch (const StorageError& error) {
    EXPECT_EQ(std::string(error.what()), "write the journal /dev/full: No space left on device\n  next: free space there and start again");
  }
}

}  // namespace
}  // namespace holdfast
