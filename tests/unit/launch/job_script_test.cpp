// What a job asks Slurm for, and the ways to write a time.
#include "launch/slurm/job_script.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "launch/slurm/time_limit.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPattern =
    "#!/bin/bash\n# how to use it\n#SBATCH --job-name=holdfast\n#SBATCH --nodes=1\n#SBATCH --ntasks=2\n#SBATCH --cpus-per-task=1\n"
    "#SBATCH --time=01:00:00\n#SBATCH --signal=B:USR1@180\n#SBATCH --requeue\n#SBATCH --output=holdfast-%j.log\nset -u\n"
    "program=${HOLDFAST:-x}\narguments=(\"$@\")\n\"$program\" run \"${arguments[@]}\"\n";

JobRequest request() {
  return {.name = "fashion",
          .made_by = "holdfast submit",
          .nodes = 4,
          .spares = 1,
          .ranks_per_node = 2,
          .time_seconds = 7200,
          .warning_seconds = 180,
          .program = "/opt/holdfast",
          .arguments = {"/a/config.yaml", "-n", "8", "--set", "run.name=it's \"mine\" $HOME"}};
}

TEST(JobScript, AsksForTheNodesAndTheirSparesAndRunsOnTheNodesAlone) {
  const std::string script = job_script(kPattern, request());
  EXPECT_EQ(script,
            "#!/bin/bash\n# holdfast submit\n#SBATCH --job-name=fashion\n#SBATCH --nodes=5\n#SBATCH --ntasks-per-node=2\n"
            "#SBATCH --time=02:00:00\n#SBATCH --signal=B:USR1@180\n#SBATCH --requeue\n#SBATCH --output=%x-%j.log\nset -u\n"
            "program=/opt/holdfast\narguments=(/a/config.yaml -n 8 --set 'run.name=it'\\''s \"mine\" $HOME')\n"
            "\"$program\" run \"${arguments[@]}\"\n");
}

TEST(JobScript, SaysWhatElseIsAskedForOnce) {
  JobRequest wish = request();
  wish.partition = "long";
  wish.account = "physics";
  wish.cores_per_rank = 8;
  wish.options = {"--exclusive", "--output=/logs/%j"};
  const std::string script = job_script(kPattern, wish);
  for (const char* line : {"#SBATCH --partition=long\n", "#SBATCH --account=physics\n", "#SBATCH --cpus-per-task=8\n",
                           "#SBATCH --exclusive\n", "#SBATCH --output=/logs/%j\n"})
    EXPECT_THAT(script, HasSubstr(line));
  EXPECT_THAT(script, Not(HasSubstr("%x")));
}

TEST(JobScript, IsNotMadeOfAnotherFile) {
  for (const char* text :
       {"", "#!/bin/bash\n", "#!/bin/bash\n#SBATCH --nodes=1\nprogram=x\n", "#!/bin/sh\n#SBATCH -n1\nprogram=x\narguments=y\n"})
    EXPECT_THROW(job_script(text, request()), StorageError) << text;
}

TEST(TimeLimit, IsReadAsPeopleWriteItAndAsSlurmDoes) {
  const auto seconds = [](const char* text) { return parse_time_limit(text, "--time"); };
  EXPECT_EQ(seconds("90m"), 5400);
  EXPECT_EQ(seconds("2h"), 7200);
  EXPECT_EQ(seconds("1h30m"), 5400);
  EXPECT_EQ(seconds("2d12h"), 216000);
  EXPECT_EQ(seconds("600s"), 600);
  EXPECT_EQ(seconds("12:00:00"), 43200);
  EXPECT_EQ(seconds("100:00:00"), 360000);
  EXPECT_EQ(seconds("1-12:00:00"), 129600);
  EXPECT_EQ(seconds("1-12:30"), 131400);
  EXPECT_EQ(seconds("1-12"), 129600);
}

TEST(TimeLimit, IsRefusedWhereItIsNoneOrMayBeAnother) {
  for (const char* text : {"", "0h", "59s", "2", "2x", "h", "-2h", "2 h", "2h ", "12:00", "1:60:00", "1-24:00:00", "1-30", "400d", "1.5h",
                           "99999999999h", "m2", "2H"})
    EXPECT_THROW(parse_time_limit(text, "--time"), UsageError) << text;
  try {
    parse_time_limit("12:00", "--time");
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("minutes and seconds"));
    EXPECT_THAT(error.what(), HasSubstr("--time 12:00"));
  }
}

TEST(TimeLimit, IsWrittenSoThatSlurmReadsTheSame) {
  EXPECT_EQ(slurm_time(5400), "01:30:00");
  EXPECT_EQ(slurm_time(129661), "1-12:01:01");
  EXPECT_EQ(parse_time_limit(slurm_time(129661), "--time"), 129661);
}

}  // namespace
}  // namespace holdfast
