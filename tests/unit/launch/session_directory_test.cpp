#include "launch/attempt/session_directory.h"

#include <gtest/gtest.h>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

/// Real directories, where an attempt has them too; a run's path that nobody else has.
class SessionDirectoryTest : public testing::Test {
 protected:
  bool is_there(const Path& path) { return files_->kind(path) == FileKind::directory; }
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  TemporaryDirectory run_;
};

TEST_F(SessionDirectoryTest, IsThereAsLongAsItsObjectAndTellsOpenMpi) {
  Path path;
  {
    const SessionDirectory session(*files_, run_.path(), 1);
    path = session.path();
    EXPECT_TRUE(is_there(path));
    EXPECT_EQ(session.variables().at("OMPI_MCA_orte_tmpdir_base"), path.string());
    EXPECT_EQ(session.variables().at("OMPI_MCA_btl_vader_backing_directory"), path.string());
    files_->make_directory(path / "ompi.host.0");
    files_->create(path / "ompi.host.0" / "segment");
  }
  EXPECT_FALSE(is_there(path)) << "whatever was in it";
}

TEST_F(SessionDirectoryTest, OfALaterAttemptRemovesWhatAKilledSupervisorLeft) {
  const SessionDirectory first(*files_, run_.path(), 1);
  files_->create(first.path() / "segment");
  const SessionDirectory second(*files_, run_.path(), 2);
  EXPECT_FALSE(is_there(first.path()));
  EXPECT_TRUE(is_there(second.path()));
  EXPECT_NE(first.path(), second.path());
}

TEST_F(SessionDirectoryTest, OfTheAttemptBeforeStaysWhileThatOneRuns) {
  const SessionDirectory first(*files_, run_.path(), 9), second(*files_, run_.path(), 10, Before::runs);
  EXPECT_TRUE(is_there(first.path()));
  const SessionDirectory third(*files_, run_.path(), 11, Before::runs);
  EXPECT_FALSE(is_there(first.path()));
  EXPECT_TRUE(is_there(second.path()));
  enter_session_directory(*files_, third.path(), Before::runs);
  EXPECT_TRUE(is_there(second.path()));
}

TEST_F(SessionDirectoryTest, OfAnotherRunStays) {
  const TemporaryDirectory other_run;
  const SessionDirectory other(*files_, other_run.path(), 1), mine(*files_, run_.path(), 1);
  EXPECT_TRUE(is_there(other.path()));
  EXPECT_NE(other.path(), mine.path());
}

TEST_F(SessionDirectoryTest, OnAnotherHostIsMadeByTheShimsWhoRemoveWhatEarlierAttemptsHaveLeft) {
  Path first, second;
  {
    const SessionDirectory named(*files_, run_.path(), 1);
    first = named.path();
  }
  {
    const SessionDirectory named(*files_, run_.path(), 2);
    second = named.path();
  }
  enter_session_directory(*files_, first, Before::over);
  files_->create(first / "segment");
  enter_session_directory(*files_, second, Before::over);
  files_->create(second / "segment");
  enter_session_directory(*files_, second, Before::over);  // the shim beside it
  EXPECT_FALSE(is_there(first));
  EXPECT_EQ(files_->kind(second / "segment"), FileKind::file);
  remove_tree(*files_, second);
}

TEST_F(SessionDirectoryTest, ThatIsGoneAlreadyIsNoError) {
  const SessionDirectory session(*files_, run_.path(), 1);
  files_->remove_directory(session.path());
}

}  // namespace
}  // namespace holdfast
