#include "base/job_end.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <fstream>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class Job : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"SLURM_JOB_END_TIME", "SLURM_JOB_ID"}) ::unsetenv(name);
    ::setenv("TZ", "UTC-2", 1);  // two hours east
    ::tzset();
    path_ = std::getenv("PATH");
  }
  void TearDown() override {
    SetUp();
    ::setenv("PATH", path_.c_str(), 1);
  }
  /// A squeue that says so.
  void squeue(const std::string& script) {
    ::setenv("SLURM_JOB_ID", "17", 1);
    const auto program = directory_.path() / "squeue";
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    ::chmod(program.c_str(), 0755);
    ::setenv("PATH", (directory_.path().string() + ":" + path_).c_str(), 1);
  }
  const TemporaryDirectory directory_;
  std::string path_;
};

TEST_F(Job, TimesOfSqueueAreLocal) {
  EXPECT_EQ(local_time_from("1970-01-02T02:00:10\n"), 86410);
  for (const char* text : {"", "N/A", "Unknown", "2026-11-28", "2026-11-28T21:15:00Z", "2026-13-28T21:15:00"})
    EXPECT_EQ(local_time_from(text), std::nullopt) << text;
}

TEST_F(Job, HasNoEndOutsideOfSlurm) {
  EXPECT_EQ(job_end().unix_seconds, std::nullopt);
  EXPECT_EQ(job_end().problem, "");
}

TEST_F(Job, EndIsToldByTheEnvironmentFirst) {
  squeue("echo 1970-01-02T02:00:10");
  ::setenv("SLURM_JOB_END_TIME", "1800000000", 1);
  EXPECT_EQ(job_end().unix_seconds, 1800000000);
}

TEST_F(Job, EndIsToldBySqueueOfThisJob) {
  squeue("[ \"$*\" = '--noheader --jobs=17 --format=%e' ] && echo 1970-01-02T02:00:10");
  EXPECT_EQ(job_end().unix_seconds, 86410);
}

TEST_F(Job, WithoutALimitHasNoEndAndNoProblem) {
  squeue("echo N/A");
  EXPECT_EQ(job_end().unix_seconds, std::nullopt);
  EXPECT_EQ(job_end().problem, "");
}

TEST_F(Job, EndThatCannotBeHadIsAProblemWithTheWordsOfSqueue) {
  squeue("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1");
  EXPECT_EQ(job_end().unix_seconds, std::nullopt);
  EXPECT_THAT(job_end().problem, HasSubstr("Unable to contact slurm controller"));
}

}  // namespace
}  // namespace holdfast
