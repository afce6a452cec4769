#include "apps/commands/config.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/exit_code.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/options/messages.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kGood = R"(task: {name: mlp}
data: {name: idx}
optimizers: {main: {lr: 0.5}}
trainer: {max_steps: 10}
)";

class ConfigCommand : public testing::Test {
 protected:
  // What was printed lands in output_ and errors_.
  int run(const std::vector<std::string>& arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int code = 0;
    try {
      code = config_command(arguments, directory_.path());
    } catch (const Error& error) {
      code = error.exit_code();
      thrown_ = error.what();
    }
    std::fflush(stdout);
    output_ = testing::internal::GetCapturedStdout();
    errors_ = testing::internal::GetCapturedStderr();
    return code;
  }

  // A program of that name beside the one that runs, that does what `script` says.
  void put_trainer(const std::string& script) {
    const std::string path = directory_.write("holdfast-train", "#!/bin/sh\n" + script + "\n");
    ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  }

  TemporaryDirectory directory_;
  std::string file_ = directory_.write("good.yaml", kGood);
  std::string output_, errors_, thrown_;
};

TEST_F(ConfigCommand, CheckSaysOkAndWhatItIs) {
  EXPECT_EQ(run({"check", file_}), kExitOk);
  EXPECT_THAT(output_, StartsWith(file_ + ": ok\n"));
  EXPECT_THAT(output_, HasSubstr("mlp"));
  EXPECT_THAT(output_, HasSubstr("10 updates"));
  EXPECT_THAT(output_, HasSubstr("runs/good"));
}

TEST_F(ConfigCommand, CheckSaysInWhatPrecisionWhereItIsNotFloat32) {
  EXPECT_EQ(run({"check", file_}), kExitOk);
  EXPECT_THAT(output_, testing::Not(HasSubstr("precision")));
  EXPECT_EQ(run({"check", file_, "--set", "precision.compute=fp16", "--set", "parallel.gradient_dtype=bf16"}), kExitOk);
  EXPECT_THAT(output_, HasSubstr("  precision    computes in fp16, gradients scaled; gradients are sent as bf16\n"));
  EXPECT_EQ(run({"check", file_, "--set", "precision.compute=bf16"}), kExitOk);
  EXPECT_THAT(output_, HasSubstr("  precision    computes in bf16\n"));
}

TEST_F(ConfigCommand, CheckSaysOnWhatDeviceAndWhichEndComesFirst) {
  EXPECT_EQ(run({"check", file_, "--set", "run.device=cuda", "--set", "trainer.max_epochs=3"}), kExitOk);
  EXPECT_THAT(output_, HasSubstr("  device       cuda\n"));
  EXPECT_THAT(output_, HasSubstr("  ends after   10 updates or 3 epochs, whichever comes first\n"));
}

TEST_F(ConfigCommand, CheckSaysWhatItCouldNotCheckWithoutTheTrainer) {
  EXPECT_EQ(run({"check", file_}), kExitOk);
  EXPECT_THAT(output_, HasSubstr("task.options and data.options were not checked"));
}

TEST_F(ConfigCommand, CheckRefusesWithTheExitCodeOfConfigurations) {
  EXPECT_EQ(run({"check", file_, "--set", "trainer.max_steps=0"}), kExitConfiguration);
  EXPECT_THAT(thrown_, HasSubstr("trainer.max_steps: expected an integer (updates, 1 or more), found '0'"));
  EXPECT_EQ(output_, "");
}

TEST_F(ConfigCommand, PlanWithoutTheTrainerSaysHowToGetIt) {
  EXPECT_EQ(run({"plan", file_}), kExitUsage);
  EXPECT_THAT(thrown_, testing::AllOf(HasSubstr("holdfast-train --describe: No such file"),
                                      HasSubstr("next: build it with `bash scripts/build.sh`")));
}

TEST_F(ConfigCommand, CheckAsksTheTrainerWithTheSameArguments) {
  put_trainer("echo \"$@\" > \"$(dirname \"$0\")/asked\"");
  EXPECT_EQ(run({"check", file_, "--set", "trainer.max_steps=5", "--set", "run.name=a b"}), kExitOk);
  std::ifstream stream(directory_.path() / "asked");
  std::string asked;
  std::getline(stream, asked);
  EXPECT_EQ(asked, "--check " + file_ + " --set trainer.max_steps=5 --set run.name=a b");
  EXPECT_THAT(output_, StartsWith(file_ + ": ok\n"));
  EXPECT_THAT(output_, testing::Not(HasSubstr("not checked")));
}

TEST_F(ConfigCommand, CheckSaysOkOnceWhateverTheTrainerPrints) {
  put_trainer("echo \"$2: ok\"");
  EXPECT_EQ(run({"check", file_}), kExitOk);
  EXPECT_EQ(output_.find(": ok"), output_.rfind(": ok"));
}

TEST_F(ConfigCommand, CheckPassesTheTrainersMessageAndExitCodeOn) {
  put_trainer("echo 'x.yaml:1:2: unknown key' >&2; exit 78");
  EXPECT_EQ(run({"check", file_}), kExitConfiguration);
  EXPECT_EQ(errors_, "x.yaml:1:2: unknown key\n");
  EXPECT_EQ(output_, "");
}

TEST_F(ConfigCommand, CheckSaysThatTheTrainerDied) {
  put_trainer("kill -9 $$");
  EXPECT_EQ(run({"check", file_}), kExitSoftware);
  EXPECT_THAT(thrown_, HasSubstr("death by signal 9"));
}

TEST_F(ConfigCommand, ShowPrintsAConfigurationThatChecksAndShowsTheSame) {
  EXPECT_EQ(run({"show", file_, "--set", "trainer.clip_norm=0.25"}), kExitOk);
  EXPECT_THAT(output_, HasSubstr("  clip_norm: 0.25\n"));
  EXPECT_THAT(output_, HasSubstr("    lr: 0.5\n"));
  const std::string shown = output_;
  const std::string again = directory_.write("again.yaml", shown);
  EXPECT_EQ(run({"show", again}), kExitOk) << thrown_;
  EXPECT_EQ(output_, shown);
}

TEST_F(ConfigCommand, ShowPrintsJsonWhenAsked) {
  EXPECT_EQ(run({"show", "--json", file_}), kExitOk);
  EXPECT_EQ(nlohmann::json::parse(output_)["optimizers"]["main"]["lr"], 0.5);
}

TEST_F(ConfigCommand, ReferencePrintsMarkdownOrASchema) {
  EXPECT_EQ(run({"reference"}), kExitOk);
  EXPECT_THAT(output_, StartsWith("# Configuration\n"));
  EXPECT_EQ(run({"reference", "--schema"}), kExitOk);
  EXPECT_TRUE(nlohmann::json::parse(output_)["properties"].contains("trainer"));
}

TEST_F(ConfigCommand, HelpShowsEveryCommand) {
  EXPECT_EQ(run({"--help"}), kExitOk);
  for (const char* word : {"check", "show", "reference", "--set"}) EXPECT_THAT(output_, HasSubstr(word));
}

TEST_F(ConfigCommand, RefusesWrongCommandLinesWithTheWayToTheUsage) {
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"chekc", file_},
                                                       {"check"},
                                                       {"show"},
                                                       {"check", file_, "more"},
                                                       {"check", file_, "--json"},
                                                       {"show", file_, "--schema"},
                                                       {"reference", file_},
                                                       {"check", file_, "--set"},
                                                       {"check", file_, "--sett", "a=b"}};
  for (const std::vector<std::string>& arguments : wrong) {
    EXPECT_EQ(run(arguments), kExitUsage) << testing::PrintToString(arguments);
    EXPECT_THAT(thrown_, HasSubstr("next: holdfast config --help"));
  }
}

}  // namespace
}  // namespace holdfast
