#include "base/injection.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::KilledBySignal;

TEST(ParseInjection, ReadsTheShortestForm) {
  const Injection injection = parse_injection("kill:rank=1,step=137");
  EXPECT_EQ(injection.kind, FaultKind::kill);
  EXPECT_EQ(injection.rank, 1);
  EXPECT_EQ(injection.step, 137);
  EXPECT_EQ(injection.section, Section::data);
  EXPECT_EQ(injection.occurrence, 1);
  EXPECT_EQ(injection.text, "kill:rank=1,step=137");
}

TEST(ParseInjection, ReadsEveryKind) {
  EXPECT_EQ(parse_injection("segv:rank=0,step=1").kind, FaultKind::segv);
  EXPECT_EQ(parse_injection("abort:rank=0,step=1").kind, FaultKind::abort);
  EXPECT_EQ(parse_injection("exit:rank=0,step=1").kind, FaultKind::exit);
  EXPECT_EQ(parse_injection("throw:rank=0,step=1").kind, FaultKind::throw_exception);
  EXPECT_EQ(parse_injection("flip:rank=0,step=1").kind, FaultKind::flip);
  EXPECT_EQ(parse_injection("stop:rank=0,step=1").kind, FaultKind::stop);
  EXPECT_EQ(parse_injection("hang:rank=0,step=1").kind, FaultKind::hang);
  EXPECT_EQ(parse_injection("nan:rank=0,step=1").kind, FaultKind::nan);
  EXPECT_EQ(parse_injection("spike:rank=0,step=1").kind, FaultKind::spike);
  EXPECT_EQ(parse_injection("stall:rank=0,step=1,seconds=1").kind, FaultKind::stall);
  EXPECT_EQ(fault_kinds(),
            "kill, segv, abort, exit, throw, flip (a bit in the rank's memory), stop (SIGTERM), hang (for ever), nan (in a gradient), "
            "spike (a loss a thousand times as large), stall (for seconds=T)");
}

TEST(ParseInjection, BadNumbersAreMadeInTheBackwardPass) {
  EXPECT_EQ(parse_injection("nan:rank=0,step=1").section, Section::backward);
  EXPECT_EQ(parse_injection("spike:rank=0,step=1").section, Section::backward);
}

TEST(ParseInjection, ReadsEverySectionInWhichAPointIsMarked) {
  for (int i = static_cast<int>(Section::restore); i <= static_cast<int>(Section::finish); ++i) {
    const auto section = static_cast<Section>(i);
    EXPECT_EQ(parse_injection("kill:rank=0,step=1,section=" + std::string(name_of(section))).section, section);
  }
}

TEST(ParseInjection, TakesTheKeysInAnyOrder) {
  const Injection injection = parse_injection("abort:occurrence=2,section=commit,step=7,rank=3");
  EXPECT_EQ(injection.rank, 3);
  EXPECT_EQ(injection.step, 7);
  EXPECT_EQ(injection.section, Section::commit);
  EXPECT_EQ(injection.occurrence, 2);
}

TEST(ParseInjection, AStallLastsForItsSeconds) { EXPECT_EQ(parse_injection("stall:rank=0,step=1,seconds=0.25").seconds, 0.25); }

struct Bad {
  const char* text;
  const char* why;
};

class BadInjection : public testing::TestWithParam<Bad> {};

TEST_P(BadInjection, IsRefusedWithTheReasonAndTheForm) {
  try {
    parse_injection(GetParam().text);
    FAIL() << "taken: " << GetParam().text;
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--inject " + std::string(GetParam().text) + ": " + GetParam().why));
    EXPECT_THAT(error.what(), HasSubstr("\n  form: KIND:rank=R,step=S[,section=NAME][,occurrence=N][,seconds=T]"));
    EXPECT_EQ(error.exit_code(), kExitUsage);
  }
}

INSTANTIATE_TEST_SUITE_P(
    ParseInjection, BadInjection,
    testing::Values(Bad{"", "a kind and a colon must come first"}, Bad{"kill", "a kind and a colon must come first"},
                    Bad{"kill:", "rank and step are needed"}, Bad{"kill:rank=1", "rank and step are needed"},
                    Bad{"kill:step=1", "rank and step are needed"}, Bad{"sleep:rank=1,step=1", "unknown kind 'sleep'"},
                    Bad{"Kill:rank=1,step=1", "unknown kind 'Kill'"},
                    Bad{"nan:rank=1,step=1,section=data", "it spoils what the section 'backward' computes"},
                    Bad{"kill:rank=1,step", "'step' is not KEY=VALUE"}, Bad{"kill:rank=1,,step=1", "'' is not KEY=VALUE"},
                    Bad{"kill:rank=one,step=1", "'rank' must be a number"}, Bad{"kill:rank=1,step=-1", "'step' must be a number"},
                    Bad{"kill:rank=1,step=1x", "'step' must be a number"}, Bad{"kill:rank=1,step=", "'step' must be a number"},
                    Bad{"kill:rank=1,step=99999999999999999999", "'step' must be a number"},
                    Bad{"kill:rank=1,step=1,when=now", "unknown key 'when'"},
                    Bad{"kill:rank=1,step=1,section=back", "unknown section 'back'"},
                    Bad{"kill:rank=4294967297,step=1", "'rank' is too large"},
                    Bad{"kill:rank=1,step=1,occurrence=0", "'occurrence' counts from 1"},
                    Bad{"kill:rank=1,step=1,occurrence=4294967297", "'occurrence' is too large"},
                    Bad{"kill:rank=1,step=1,seconds=1", "'seconds' are a stall's"}, Bad{"stall:rank=1,step=1", "a stall needs seconds"},
                    Bad{"stall:rank=1,step=1,seconds=0", "'seconds' must be above 0"},
                    Bad{"stall:rank=1,step=1,seconds=nan", "'seconds' must be above 0"},
                    Bad{"stall:rank=1,step=1,seconds=1s", "'seconds' must be above 0"},
                    Bad{"kill:rank=1,step=1,section=setup", "no fault strikes in section 'setup'"}));

class InjectionPlanTest : public testing::Test {
 protected:
  void SetUp() override { set_up_log("rank 1"); }
  InjectionPlan plan(const std::vector<std::string>& texts, int rank = 1) {
    std::vector<Injection> injections;
    for (const std::string& text : texts) injections.push_back(parse_injection(text));
    return {std::move(injections), rank, *files_, record_};
  }
  std::string record() { return files_->kind(record_) == FileKind::none ? "" : read_text(*files_, record_); }

  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  TemporaryDirectory directory_;
  Path record_ = directory_.path() / "injected.txt";
};
using InjectionPlanDeathTest = InjectionPlanTest;

TEST_F(InjectionPlanDeathTest, EndsTheProcessAsItsKindSays) {
  EXPECT_EXIT(plan({"kill:rank=1,step=5"}).at_point(Section::data, 5), KilledBySignal(SIGKILL), "injected fault strikes");
  EXPECT_EXIT(plan({"segv:rank=1,step=5"}).at_point(Section::data, 5), KilledBySignal(SIGSEGV), "section data, step 5");
  EXPECT_EXIT(plan({"abort:rank=1,step=5"}).at_point(Section::data, 5), KilledBySignal(SIGABRT), "abort:rank=1,step=5");
  EXPECT_EXIT(plan({"exit:rank=1,step=5"}).at_point(Section::data, 5), ExitedWithCode(3), "");
}

TEST_F(InjectionPlanDeathTest, IsWrittenDownBeforeItStrikesAndStrikesOnceInTheRun) {
  EXPECT_EXIT(plan({"kill:rank=1,step=5"}).at_point(Section::data, 5), KilledBySignal(SIGKILL), "");
  EXPECT_EQ(record(), "kill:rank=1,step=5\n");
  plan({"kill:rank=1,step=5"}).at_point(Section::data, 5);  // the next attempt
  EXPECT_EXIT(plan({"kill:rank=1,step=5", "kill:rank=1,step=6"}).at_point(Section::data, 6), KilledBySignal(SIGKILL), "step=6");
  EXPECT_EQ(record(), "kill:rank=1,step=5\nkill:rank=1,step=6\n");
}

TEST_F(InjectionPlanTest, ThrowsWhereTheKindIsThrow) {
  InjectionPlan faults = plan({"throw:rank=1,step=5"});
  EXPECT_THROW(faults.at_point(Section::data, 5), std::runtime_error);
  EXPECT_EQ(record(), "throw:rank=1,step=5\n");
  faults.at_point(Section::data, 5);
}

TEST_F(InjectionPlanTest, StrikesOnlyItsRankItsSectionAndFromItsStepOn) {
  const std::vector<std::string> texts = {"throw:rank=1,step=5,section=commit"};
  InjectionPlan other = plan(texts, 0), faults = plan(texts);
  other.at_point(Section::commit, 5);
  faults.at_point(Section::data, 5);
  faults.at_point(Section::commit, 4);
  EXPECT_EQ(record(), "");
  EXPECT_THROW(faults.at_point(Section::commit, 7), std::runtime_error) << "the first commit after step 5";
}

TEST_F(InjectionPlanTest, CountsOccurrencesFromItsStepOn) {
  InjectionPlan faults = plan({"throw:rank=1,step=5,section=forward,occurrence=3"});
  faults.at_point(Section::forward, 4);
  faults.at_point(Section::forward, 5);
  faults.at_point(Section::forward, 5);
  EXPECT_THROW(faults.at_point(Section::forward, 6), std::runtime_error);
}

TEST_F(InjectionPlanTest, AStallIsOverAfterItsSecondsAndHoldsUpNoOtherThread) {
  InjectionPlan faults = plan({"stall:rank=1,step=5,seconds=0.3", "throw:rank=1,step=5,section=checkpoint"});
  const auto begin = std::chrono::steady_clock::now();
  std::thread stalled([&] { faults.at_point(Section::data, 5); });
  while (record().empty()) std::this_thread::yield();
  EXPECT_THROW(faults.at_point(Section::checkpoint, 5), std::runtime_error);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300));
  stalled.join();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300));
}

TEST_F(InjectionPlanTest, ThatCannotBeWrittenDownDoesNotStrike) {
  record_ = directory_.path() / "gone" / "injected.txt";
  EXPECT_THROW(plan({"throw:rank=1,step=5"}).at_point(Section::data, 5), StorageError);
}

}  // namespace
}  // namespace holdfast
