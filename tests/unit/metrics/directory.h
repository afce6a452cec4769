// A directory of one test, gone with it.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {

class InADirectory : public testing::Test {
 protected:
  TemporaryDirectory temporary_;
  const Path& directory_ = temporary_.path();
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

}  // namespace holdfast
