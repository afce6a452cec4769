#include "base/fence.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

struct Stale {
  Path changed;
};

class FenceTest : public testing::Test {
 protected:
  std::unique_ptr<FileSystem> files_of(const std::string& holder) {
    return behind_fence(make_posix_file_system(), fence(), holder, [](const Path& changed) { throw Stale{changed}; });
  }
  Path fence() const { return directory_.path() / "fence"; }
  Path path(const char* name) const { return directory_.path() / name; }
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  TemporaryDirectory directory_;
  std::string first_ = fence_holder("token-1"), second_ = fence_holder("token-2");
};

TEST_F(FenceTest, LetsItsHolderChangeEverything) {
  raise_fence(*files_, fence(), first_);
  const auto mine = files_of(first_);
  mine->append(path("lines"), "a\n");
  mine->append(path("lines"), "b\n");
  EXPECT_EQ(read_text(*mine, path("lines")), "a\nb\n");
  mine->make_directory(path("a"));
  mine->create(path("a") / "file");
  mine->rename_new(path("a"), path("b"));
  mine->make_link("b", path("link"));
  mine->rename_over(path("link"), path("link2"));
  write_text_durably(*mine, path("text"), "text");
  remove_tree(*mine, path("b"));
  EXPECT_EQ(files_->kind(path("b")), FileKind::none);
  EXPECT_EQ(read_text(*mine, path("text")), "text");
}

TEST_F(FenceTest, StopsWhoeverWasReplacedBeforeAnyChange) {
  raise_fence(*files_, fence(), first_);
  const auto stale = files_of(first_);
  stale->make_directory(path("pending"));
  stale->make_link("pending", path("link"));
  write_text_durably(*stale, path("file"), "text");
  raise_fence(*files_, fence(), second_);
  EXPECT_THROW(stale->create(path("new")), Stale);
  EXPECT_THROW(stale->create_direct(path("new")), Stale);
  EXPECT_THROW(stale->append(path("new"), "line"), Stale);
  EXPECT_THROW(stale->make_directory(path("new")), Stale);
  EXPECT_THROW(stale->make_link("pending", path("new")), Stale);
  EXPECT_THROW(stale->rename_new(path("pending"), path("new")), Stale);
  EXPECT_THROW(stale->rename_over(path("link"), path("file")), Stale);
  EXPECT_THROW(stale->remove_file(path("file")), Stale);
  EXPECT_THROW(stale->remove_directory(path("pending")), Stale);
  EXPECT_EQ(files_->kind(path("new")), FileKind::none);
  EXPECT_EQ(files_->kind(path("pending")), FileKind::directory);
  EXPECT_EQ(read_text(*stale, path("file")), "text") << "reading is free";
}

TEST_F(FenceTest, NamesTheChangeThatWasNotMade) {
  raise_fence(*files_, fence(), second_);
  try {
    files_of(first_)->rename_new(path("pending"), path("step-00000010"));
    FAIL();
  } catch (const Stale& stale) {
    EXPECT_EQ(stale.changed, path("step-00000010"));
  }
}

TEST_F(FenceTest, ThatCannotBeReadLetsNothingPass) { EXPECT_THROW(files_of(first_)->make_directory(path("new")), StorageError); }

TEST_F(FenceTest, SaysNothingOfTheToken) { EXPECT_EQ(first_.find("token"), std::string::npos); }

}  // namespace
}  // namespace holdfast
