#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "trainer/metrics_log.h"

namespace holdfast {
namespace {

class Metrics : public testing::Test {
 protected:
  void SetUp() override { path_ = std::filesystem::temp_directory_path() / ("holdfast-metrics-" + std::to_string(::getpid())); }
  void TearDown() override { std::filesystem::remove(path_); }
  std::string text() const { return read_text(*files_, path_); }
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  Path path_;
};

TEST_F(Metrics, AreCutBackToTheRestoredStep) {
  std::ofstream(path_) << R"({"step":10})"
                          "\n"
                          R"({"step":20})"
                          "\n"
                          R"({"step":30})"
                          "\n";
  MetricsLog log(*files_, path_, 20);
  log.write({{"step", 30}, {"again", true}});
  EXPECT_EQ(text(), R"({"step":10})"
                    "\n"
                    R"({"step":20})"
                    "\n"
                    R"({"again":true,"step":30})"
                    "\n");
}

TEST_F(Metrics, ATornLastLineGoes) {
  std::ofstream(path_) << R"({"step":10})"
                          "\n"
                          R"({"step":2)";
  MetricsLog log(*files_, path_, 100);
  EXPECT_EQ(text(), R"({"step":10})"
                    "\n");
}

}  // namespace
}  // namespace holdfast
