#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "base/error.h"
#include "base/file_system.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PosixFileSystem : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (directory_.path() / name).string(); }
  void write(const std::string& name, std::string_view text) { write_text_durably(*files_, path(name), text); }
  std::string text(const std::string& name) { return read_text(*files_, path(name)); }
  /// What a StorageError says.
  static std::string error_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const StorageError& error) {
      return error.what();
    }
    return "no error";
  }
  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(PosixFileSystem, ErrorsSayWhatWasAttemptedOnWhichPathAndWhy) {
  const std::string gone = path("gone/a"), none = ": No such file or directory";
  EXPECT_EQ(error_of([&] { files_->open(gone); }), "open " + gone + none);
  EXPECT_EQ(error_of([&] { files_->create(gone); }), "create " + gone + none);
  EXPECT_EQ(error_of([&] { files_->append(gone, "x"); }), "open " + gone + none);
  EXPECT_THAT(error_of([&] { files_->append("/dev/full", "x"); }), testing::StartsWith("write /dev/full: No space left on device"));
  EXPECT_EQ(error_of([&] { files_->make_directory(gone); }), "make directory " + gone + none);
  EXPECT_EQ(error_of([&] { files_->make_link("x", gone); }), "make link " + gone + none);
  EXPECT_EQ(error_of([&] { files_->read_link(gone); }), "read link " + gone + none);
  EXPECT_EQ(error_of([&] { files_->sync_directory(gone); }), "open directory " + gone + none);
  EXPECT_EQ(error_of([&] { files_->rename_over(gone, path("b")); }), "rename " + gone + " to " + path("b") + none);
  write("file", "text");
  EXPECT_EQ(error_of([&] { files_->list(path("file")); }), "list " + path("file") + ": Not a directory");
  EXPECT_EQ(error_of([&] { files_->remove_file(directory_.path()); }), "remove " + directory_.path().string() + ": Is a directory");
  EXPECT_EQ(error_of([&] { files_->remove_directory(directory_.path()); }),
            "remove directory " + directory_.path().string() + ": Directory not empty");
}

TEST_F(PosixFileSystem, CreatesOnlyWhatIsNew) {
  write("file", "text");
  EXPECT_EQ(error_of([&] { files_->create(path("file")); }), "create " + path("file") + ": File exists");
  EXPECT_EQ(text("file"), "text");
}

TEST_F(PosixFileSystem, AWriteThatTheSystemRefusesNamesThePath) {
  const auto file = files_->create(path("file"));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{.rlim_cur = 10, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string why = error_of([&] { file->write_at(0, std::as_bytes(std::span("more than ten bytes"))); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(why, "write " + path("file") + ": File too large");
}

TEST_F(PosixFileSystem, WritesAtAnyOffsetAndTruncates) {
  const auto file = files_->create(path("file"));
  file->write_at(4, std::as_bytes(std::span("tail", 4)));
  file->write_at(0, std::as_bytes(std::span("head", 4)));
  EXPECT_EQ(text("file"), "headtail");
  file->truncate(2);
  file->sync();
  file->close();
  EXPECT_EQ(text("file"), "he");
}

TEST_F(PosixFileSystem, AReadBeyondTheEndSaysHowMuchIsMissing) {
  write("file", "four");
  const auto file = files_->open(path("file"));
  EXPECT_EQ(file->size(), 4u);
  std::array<std::byte, 10> bytes;
  EXPECT_EQ(error_of([&] { file->read_at(1, bytes); }),
            "read " + path("file") + ": expected 7 more bytes at offset 4, found the end of the file");
}

TEST_F(PosixFileSystem, RenameToANewNameReplacesNothing) {
  write("a", "a");
  write("b", "b");
  files_->make_directory(path("empty"));
  for (const char* target : {"b", "empty"})
    EXPECT_EQ(error_of([&] { files_->rename_new(path("a"), path(target)); }),
              "rename " + path("a") + " to " + path(target) + ": File exists");
  EXPECT_EQ(text("b"), "b");
  files_->rename_new(path("a"), path("c"));
  EXPECT_EQ(text("c"), "a");
  EXPECT_EQ(files_->kind(path("a")), FileKind::none);
}

TEST_F(PosixFileSystem, KnowsWhatIsThereWithoutFollowingLinks) {
  write("file", "");
  files_->make_directory(path("directory"));
  files_->make_link("file", path("link"));
  files_->make_link("nowhere", path("broken"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(files_->kind(path("file")), FileKind::file);
  EXPECT_EQ(files_->kind(path("directory")), FileKind::directory);
  EXPECT_EQ(files_->kind(path("link")), FileKind::link);
  EXPECT_EQ(files_->kind(path("broken")), FileKind::link);
  EXPECT_EQ(files_->kind(path("fifo")), FileKind::other);
  EXPECT_EQ(files_->kind(path("none")), FileKind::none);
  EXPECT_EQ(files_->kind(path("file/below")), FileKind::none);
  EXPECT_EQ(files_->read_link(path("broken")), "nowhere");
}

TEST_F(PosixFileSystem, ListsNamesInOrderAndNoneOfWhatIsNotThere) {
  for (const char* name : {"b", "a", "c"}) write(name, "");
  EXPECT_THAT(files_->list(directory_.path()), ElementsAre("a", "b", "c"));
  EXPECT_THAT(files_->list(path("gone")), IsEmpty());
}

TEST_F(PosixFileSystem, RemovingWhatIsNotThereIsFine) {
  files_->remove_file(path("gone"));
  files_->remove_directory(path("gone"));
  remove_tree(*files_, path("gone"));
  files_->make_directory(directory_.path());
}

TEST_F(PosixFileSystem, DurableTextReplacesTheOldAndLeavesNothingElse) {
  write("file", "old and longer");
  const std::string stale = path("file") + ".tmp-" + std::to_string(::getpid());  // of a write that was cut
  files_->create(stale)->write_at(0, std::as_bytes(std::span("cut", 3)));
  write("file", "new");
  EXPECT_EQ(text("file"), "new");
  EXPECT_THAT(files_->list(directory_.path()), ElementsAre("file"));
}

TEST_F(PosixFileSystem, RemoveTreeTakesLinksNotWhatTheyLeadTo) {
  write("kept", "kept");
  make_directories(*files_, path("tree/a/b"));
  write("tree/a/b/file", "");
  files_->make_link(path("kept"), path("tree/link"));
  files_->make_link(directory_.path().string(), path("tree/a/up"));
  remove_tree(*files_, path("tree"));
  EXPECT_THAT(files_->list(directory_.path()), ElementsAre("kept"));
  EXPECT_EQ(text("kept"), "kept");
}

}  // namespace
}  // namespace holdfast
