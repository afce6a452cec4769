#include "launch/run_record.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

TEST(RunRecord, OfARunWhoseEndCannotBeReadIsNotDone) {
  const TemporaryDirectory directory;
  const RunLayout layout{directory.path()};
  std::filesystem::create_directory(layout.done());  // can be opened as a file, and not read: as one on a server that has lost it
  const auto files = make_posix_file_system();
  RunRecord record(*files, layout);
  record.begin_attempt(1);
  EXPECT_EQ(record.done(), nlohmann::json::object());
  EXPECT_FALSE(record.is_done());
}

}  // namespace
}  // namespace holdfast
