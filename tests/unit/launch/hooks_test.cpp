// Which hooks are called for which lines of the journal, with what, and what is refused. What they may do to a run: fault.hooks.
#include "launch/hooks/hooks.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "base/process_files.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

using nlohmann::json;

class HooksTest : public testing::Test {
 protected:
  HooksTest() {
    for (auto* command : {&options_.on_start, &options_.on_failure, &options_.on_restart, &options_.on_end}) *command = {"cat >> told"};
  }

  Hooks hooks() {
    HooksOptions there = options_;
    for (auto* command : {&there.on_start, &there.on_failure, &there.on_restart, &there.on_end})
      command->front() = "cd " + directory_.string() + " && " + command->front();
    return Hooks(there, directory_, directory_ / "logs/hooks.log");
  }

  /// Waits for their ends.
  static std::vector<HookEnd> ends_of(Hooks& hooks) {
    std::vector<HookEnd> all;
    EXPECT_TRUE(wait_until([&] {
      for (HookEnd& one : hooks.take_ended()) all.push_back(std::move(one));
      return !hooks.are_running();
    }));
    return all;
  }

  /// What the hooks have been told since the last call.
  std::vector<json> told() {
    std::ifstream file(directory_ / "told");
    std::vector<json> records;
    for (std::string line; std::getline(file, line);) records.push_back(json::parse(line));
    std::filesystem::remove(directory_ / "told");
    return records;
  }

  std::vector<json> told_of(Hooks& hooks, const std::string& event, const json& fields) {
    hooks.happened(event, fields);
    for (const HookEnd& end : ends_of(hooks)) EXPECT_EQ(end.error, "");
    return told();
  }

  TemporaryDirectory temporary_;
  const Path& directory_ = temporary_.path();
  HooksOptions options_;
};

const json kFailed = {{"attempt", 1}, {"cause", {{"rank", 1}}}, {"reason", "rank 1 died"}};
const json kEnd = {{"exit_code", 70}, {"reason", "hopeless"}};

TEST_F(HooksTest, TellOfTheFailureOfThousandsOfRanks) {
  json times = json::array();
  for (int rank = 0; rank < 10000; ++rank) times.push_back({{"rank", rank}, {"host", "a"}, {"times", {{"age_seconds", 250.125}}}});
  Hooks there = hooks();
  there.happened("attempt_ended", {{"attempt", 1}, {"cause", {{"rank", 4711}}}, {"times", times}});
  const std::vector<json> records = told_of(there, "restart", {{"after_attempt", 1}});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["cause"]["rank"], 4711);
}

TEST_F(HooksTest, EachIsCalledOnceForWhatItIsMeantFor) {
  Hooks hooks = this->hooks();
  std::vector<json> told = told_of(hooks, "run_started", {{"ranks", 2}, {"pid", 7}});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0]["hook"], "on_start");
  EXPECT_EQ(told[0]["ranks"], 2);
  EXPECT_EQ(told_of(hooks, "attempt_started", {{"attempt", 1}, {"is_restart", false}}).size(), 0U);
  EXPECT_EQ(told_of(hooks, "attempt_ended", kFailed).size(), 0U) << "whether it was a failure is not known yet";
  told = told_of(hooks, "restart", {{"after_attempt", 1}});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0]["hook"], "on_failure");
  EXPECT_EQ(told[0]["cause"]["rank"], 1);
  told = told_of(hooks, "attempt_started", {{"attempt", 2}, {"is_restart", true}, {"durable_step", 5}});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0]["hook"], "on_restart");
  EXPECT_EQ(told[0]["reason"], "rank 1 died");
  told_of(hooks, "attempt_ended", {{"attempt", 2}, {"cause", nullptr}, {"reason", "finished"}});
  told = told_of(hooks, "done", {{"exit_code", 0}});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0]["hook"], "on_end");
  EXPECT_EQ(told[0]["end"], "done");
  EXPECT_EQ(told[0]["attempts"], 2);
}

TEST_F(HooksTest, TheFailureThatARunGivesUpForIsTold) {
  Hooks hooks = this->hooks();
  told_of(hooks, "attempt_ended", kFailed);
  EXPECT_EQ(told_of(hooks, "gave_up", kEnd).size(), 2U);
}

TEST_F(HooksTest, WhereHostsAreMissingNoFailureIsToldTwice) {
  Hooks hooks = this->hooks();
  told_of(hooks, "attempt_ended", kFailed);
  told_of(hooks, "restart", json::object());
  const std::vector<json> told = told_of(hooks, "gave_up", kEnd);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0]["hook"], "on_end");
}

TEST_F(HooksTest, AStopIsNoFailureUnlessARankDiesOfIt) {
  Hooks sound = this->hooks();
  told_of(sound, "attempt_ended", {{"attempt", 1}, {"cause", nullptr}});
  EXPECT_EQ(told_of(sound, "stopped", kEnd).size(), 1U);
  Hooks fatal = this->hooks();
  told_of(fatal, "attempt_ended", kFailed);
  EXPECT_EQ(told_of(fatal, "stopped", kEnd).size(), 2U);
}

TEST_F(HooksTest, MoreThanSixteenAtATimeAreNotStarted) {
  options_.on_start = {"sleep 1000"};
  Hooks hooks = this->hooks();
  for (int i = 0; i < 17; ++i) hooks.happened("run_started", json::object());
  const std::vector<HookEnd> refused = hooks.take_ended();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].error, "not started: 16 hooks are still running");
  hooks.kill_all();
  const std::vector<HookEnd> killed = ends_of(hooks);
  EXPECT_EQ(killed.size(), 16U);
  for (const HookEnd& end : killed) EXPECT_EQ(end.error, "killed with the end of `holdfast run`");
}

TEST_F(HooksTest, ARecordThatIsTooLongForAMessageIsAFailureInWords) {
  Hooks hooks = this->hooks();
  hooks.happened("run_started", {{"command", std::string(1 << 20, 'x')}});
  const std::vector<HookEnd> ended = ends_of(hooks);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].error.substr(0, 12), "not started:");
}

/// It has left its session and cleared its environment, so that it is to be known by its ancestors alone.
TEST_F(HooksTest, WhatAHookHasStartedDiesThoughItsKeeperIsKilled) {
  options_.on_start = {"echo $PPID > keeper; setsid env -i sh -c 'echo $$ > stray; exec sleep 1000' & sleep 1000"};
  Hooks hooks = this->hooks();
  hooks.happened("run_started", json::object());
  const auto number_in = [this](const char* file) {
    pid_t pid = 0;
    std::ifstream(directory_ / file) >> pid;
    return pid;
  };
  ASSERT_TRUE(wait_until([&] { return number_in("stray") > 0; }));
  ASSERT_NE(process_state(number_in("stray")), 'Z');
  ASSERT_EQ(::kill(number_in("keeper"), SIGKILL), 0);
  EXPECT_TRUE(wait_until([&] { return process_state(number_in("stray")) == 'Z'; }, 2));
  const std::vector<HookEnd> ended = ends_of(hooks);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].error, "unknown how it ended: the process that ran it was killed");
}

TEST_F(HooksTest, WithoutHooksNothingHappens) {
  Hooks hooks({}, directory_, directory_ / "logs/hooks.log");
  hooks.happened("run_started", {{"ranks", 2}});
  EXPECT_FALSE(hooks.are_running());
  EXPECT_TRUE(hooks.take_ended().empty());
  hooks.kill_all();
}

}  // namespace
}  // namespace holdfast
