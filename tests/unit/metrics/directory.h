// A directory of one test, gone with it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file_system.h"

namespace holdfast {

class InADirectory : public testing::Test {
 protected:
  void SetUp() override {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::temp_directory_path() / fmt::format("holdfast-{}-{}-{}", test.test_suite_name(), test.name(), ::getpid());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  Path directory_;
};

}  // namespace holdfast
