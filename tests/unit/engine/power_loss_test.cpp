// What is done to directories and texts, cut at each of its file operations by a loss of power: every subset of what was not synced.
#include <gmock/gmock.h>

#include "checkpoint/format/layout.h"
#include "checkpoint/store/commit.h"
#include "checkpoint/store/names.h"
#include "faulty_file_system.h"
#include "memory_file_system.h"
#include "power_loss.h"

namespace holdfast {
namespace {

const Path kDirectory = "/checkpoints";
const std::vector<std::string> kFiles = {"manifest.json", "shard-00000-of-00001.h5"};

class PowerLoss : public testing::Test {
 protected:
  void SetUp() override {
    make_directories(files_, kDirectory);
    for (const std::int64_t step : {10, 20}) {
      const Path checkpoint = kDirectory / directory_name({step, 0});
      make_directories(files_, checkpoint);
      for (const std::string& name : kFiles) write_text_durably(files_, checkpoint / name, name);
    }
    point_last_to(files_, kDirectory, {10, 0});
    ASSERT_EQ(files_.unsynced(), 0u);
  }
  /// `check` gets what is left, for every subset before every operation of `act` and, with is_over, after it.
  void at_every_operation(const std::function<void(FileSystem&)>& act,
                          const std::function<void(MemoryFileSystem& left, bool is_over)>& check) {
    struct Moment {
      std::string name;
      MemoryFileSystem disk;
    };
    std::vector<Moment> moments;
    OperationRecord record([&](const Operation& next) { moments.push_back({next.verb + " " + next.path.string(), files_}); });
    FaultyFileSystem view(files_, record, 0);
    act(view);
    moments.push_back({"the end", files_});
    ASSERT_GT(moments.size(), 1u);
    for (const Moment& moment : moments)
      for (const Subset& subset : subsets_of(moment.disk.unsynced(), kAllSubsets, 1)) {
        SCOPED_TRACE("before: " + moment.name + ", arrived: " + text_of(subset));
        MemoryFileSystem left = moment.disk.crashed(subset);
        check(left, &moment == &moments.back());
        if (HasFailure()) return;
      }
  }

  MemoryFileSystem files_;
};

TEST_F(PowerLoss, LeavesTheOldTextOrTheNewOne) {
  const Path path = kDirectory / "text";
  write_text_durably(files_, path, "old");
  at_every_operation([&](FileSystem& files) { write_text_durably(files, path, std::string(5000, 'n')); },
                     [&](MemoryFileSystem& left, bool is_over) {
                       const std::string text = read_text(left, path);
                       EXPECT_TRUE((text == "old" && !is_over) || text == std::string(5000, 'n')) << text;
                     });
}

TEST_F(PowerLoss, KeepsADirectoryThatWasMade) {
  at_every_operation(
      [&](FileSystem& files) { make_directories(files, kDirectory / "a/b"); },
      [&](MemoryFileSystem& left, bool is_over) { EXPECT_TRUE(!is_over || left.kind(kDirectory / "a/b") == FileKind::directory); });
}

TEST_F(PowerLoss, LeavesLastAtTheOldOneOrTheNewOne) {
  at_every_operation(
      [&](FileSystem& files) {
        point_last_to(files, kDirectory, {20, 0});
      },
      [&](MemoryFileSystem& left, bool is_over) {
        const std::string target = left.read_link(kDirectory / kLastLink);
        EXPECT_TRUE((target == "step-00000010" && !is_over) || target == "step-00000020") << target;
      });
}

TEST_F(PowerLoss, LeavesANameAtTheOldStateOrTheNewOne) {
  point_name(files_, kDirectory, {"best/first", "step-00000010"});
  files_.sync_directory(kDirectory / "best");
  at_every_operation(
      [&](FileSystem& files) {
        point_name(files, kDirectory, {"best/first", "step-00000020"});
      },
      [&](MemoryFileSystem& left, bool) {
        const std::string target = left.read_link(kDirectory / "best/first");
        EXPECT_TRUE(target == "../step-00000010" || target == "../step-00000020") << target;
      });
}

TEST_F(PowerLoss, LeavesNoHalfUnderItsNameOfWhatRetentionRemoves) {
  at_every_operation(
      [&](FileSystem& files) {
        retire(files, kDirectory, {10, 0});
      },
      [&](MemoryFileSystem& left, bool is_over) {
        const Path checkpoint = kDirectory / "step-00000010";
        const bool is_gone = left.kind(checkpoint) == FileKind::none;
        EXPECT_TRUE(is_gone || !is_over);
        EXPECT_TRUE(is_gone || left.list(checkpoint) == kFiles);
      });
}

TEST_F(PowerLoss, LeavesWhatIsMovedAwayWholeInOneOfBothPlacesAndKeepsItThere) {
  at_every_operation(
      [&](FileSystem& files) {
        abandon(files, kDirectory, {20, 0}, "abandoned-2", "the test wants it");
      },
      [&](MemoryFileSystem& left, bool is_over) {
        const std::vector<std::string> before = left.list(kDirectory / "step-00000020"),
                                       after = left.list(kDirectory / "abandoned-2/step-00000020");
        EXPECT_TRUE(before.empty() || after.empty());
        EXPECT_EQ(is_over || before.empty() ? after : before, kFiles);
      });
}

}  // namespace
}  // namespace holdfast
