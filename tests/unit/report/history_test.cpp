#include "report/history.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/error.h"
#include "base/run_lock.h"
#include "base/times_file.h"
#include "report/json.h"
#include "report/text.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/report/made_up_run.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class History : public testing::Test {
 protected:
  RunHistory read() { return read_history(*files_, run_.layout()); }
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  TemporaryDirectory directory_;
  MadeUpRun run_{directory_.path() / "run", 4};
};

TEST_F(History, TellsEveryFailureWithItsCause) {
  run_.write(/*deaths=*/2, /*steps=*/1000, /*step_seconds=*/0.5);
  const RunHistory history = read();
  EXPECT_EQ(history.state, "finished");
  EXPECT_EQ(history.newest_step(), 2990);
  ASSERT_EQ(history.failures.size(), 2u);
  EXPECT_EQ(history.failures[0].recomputed_steps, 5);
  EXPECT_EQ(history.failures[0].cause["signal"], 9);
  EXPECT_NEAR(history.failures[0].seconds_to_resume.value_or(0), 3.0, 1e-3);
  EXPECT_THAT(history.failures[1].reason, HasSubstr("in section backward"));
  EXPECT_EQ(history.training.size(), 150u);
  EXPECT_EQ(history.saves.size(), 6u);
  EXPECT_EQ(history.account.ranks.size(), 4u);
  EXPECT_NEAR(history.account.accounted_seconds(), history.account.wall_seconds, 0.02 * history.account.wall_seconds);
}

TEST_F(History, SurvivesTornLinesEverywhere) {
  run_.write(1, 1000, 0.5);
  for (const Path& path : {run_.layout().journal(), run_.layout().metrics(), run_.layout().saves()})
    std::ofstream(path, std::ios::app) << "[]\n{\"kind\":7,\"event\":\"rank_lo\n\n{\"step\":\"x\",\"kind\":\"train\"}\n{\"ev";
  const RunHistory history = read();
  EXPECT_EQ(history.failures.size(), 1u);
  EXPECT_EQ(history.training.size(), 100u);
  EXPECT_EQ(history.saves.size(), 4u);
}

TEST_F(History, OfARunThatGoesOnSaysSo) {
  run_.write(0, 100, 0.5);
  EXPECT_EQ(read().state, "finished");
  const RunLock lock(run_.layout().lock(), "");
  EXPECT_EQ(read().state, "runs");
}

TEST_F(History, OfARunWithoutASupervisorHasWhatItsRanksLeft) {
  const auto& layout = run_.layout();
  make_directories(*files_, layout.attempt_logs(1));
  TimeRecord times{.age_seconds = 4, .completed_step = 10, .busy_seconds = 2};
  times.seconds[static_cast<std::size_t>(TimeCause::steps)] = 4;
  ASSERT_TRUE(write_times_file(layout.rank_times(1, 0), {.rank = 0, .host = "a", .unix_seconds = 5, .is_ended = true, .times = times}));
  std::ofstream(layout.metrics()) << R"({"kind":"train","step":10,"loss":0.5,"wall_clock":{"unix_seconds":4,"samples_per_second":8}})"
                                  << "\n";
  const RunHistory history = read();
  EXPECT_FALSE(history.account.is_supervised);
  EXPECT_EQ(history.account.goodput(), 1);
  EXPECT_THAT(report_text(history), HasSubstr("without the supervisor, step 10"));
}

TEST_F(History, OfNothingIsRefused) {
  EXPECT_THROW(read(), Error);
  EXPECT_THROW(read_history(*files_, RunLayout{directory_.path() / "nowhere"}), Error);
}

TEST_F(History, IsTheSameInTextAndJson) {
  run_.write(1, 1000, 0.5, /*slow_rank=*/2);
  const RunHistory history = read();
  const std::string text = report_text(history);
  EXPECT_THAT(text, HasSubstr("where the time went"));
  EXPECT_THAT(text, HasSubstr("attempt 1, 2026-11-18"));
  EXPECT_THAT(text, HasSubstr("rank 3 on node-00: ended by signal 9 (Killed) in section backward"));
  EXPECT_THAT(text, HasSubstr("rank  host"));
  const nlohmann::json json = report_json(history);
  EXPECT_EQ(json["failures"][0]["cause"]["rank"], 3);
  EXPECT_EQ(slowest_first(history.account.ranks)[0].rank, 2);
  double sum = 0;
  for (const auto& [cause, seconds] : json["seconds"].items()) sum += seconds.get<double>();
  EXPECT_NEAR(sum, json["accounted_seconds"].get<double>(), 1e-6);
}

TEST(RunTime, LeavesOutTheNightBetweenTwoStarts) {
  RunHistory history;
  history.account.attempts = {{.attempt = 1, .start = 1, .begin = 100, .end = 200},
                              {.attempt = 2, .start = 1, .begin = 205, .end = 300},
                              {.attempt = 3, .start = 2, .begin = 50'000, .end = 50'100}};
  const RunTime time(history);
  EXPECT_EQ(time(150), 50);
  EXPECT_EQ(time(202), 102);
  EXPECT_EQ(time(10'000), 200);
  EXPECT_EQ(time(50'050), 250);
  EXPECT_EQ(time.total(), 300);
}

TEST(RunTime, CountsALongWaitWithinAStartAndLeavesOutAShortOneBetweenTwo) {
  RunHistory history;
  history.account.attempts = {{.attempt = 1, .start = 1, .begin = 0, .end = 100},
                              {.attempt = 2, .start = 1, .begin = 2000, .end = 2100},  // it had waited for a host
                              {.attempt = 3, .start = 2, .begin = 2160, .end = 2200}};
  const RunTime time(history);
  EXPECT_EQ(time(1000), 1000);
  EXPECT_EQ(time(2150), 2100) << "between the starts";
  EXPECT_EQ(time.total(), 2140);
}

/// What one attempt says of itself, from its begin on.
class Attempts : public History {
 protected:
  Attempts() { make_directories(*files_, run_.layout().root), say("run_started", 0, {}); }
  void say(const char* event, double time, nlohmann::json fields) {
    fields["event"] = event;
    fields["unix_seconds"] = time;
    std::ofstream(run_.layout().journal(), std::ios::app) << fields.dump() << "\n";
  }
  void begin(int attempt, double time) { say("attempt_started", time, {{"attempt", attempt}, {"world_size", 2}}); }
  void end(int attempt, double time, const char* decision, const char* reason, nlohmann::json cause = nullptr) {
    say("attempt_ended", time,
        {{"attempt", attempt}, {"is_done", false}, {"cause", std::move(cause)}, {"decision", decision}, {"reason", reason}});
  }
};

TEST_F(Attempts, ThatStoppedAsPlannedAreNoFailures) {
  begin(1, 1);
  end(1, 9, "stopped", "stopped on request; start it again to go on");
  begin(2, 11);
  end(2, 19, "stopped", "stopped: trainer.max_time (10 s) is over; start it again to go on");
  EXPECT_TRUE(read().failures.empty()) << report_text(read());
}

TEST_F(Attempts, ThatLostARankWhileTheyStoppedAreFailures) {
  begin(1, 1);
  end(1, 9, "stopped", "stopped on request, without a checkpoint", to_json(ExitRecord{.rank = 1, .host = "a", .signal = 9}));
  EXPECT_EQ(read().failures.size(), 1u);
}

TEST_F(Attempts, ThatEndWithoutACauseAndGoOnAreFailuresWhateverTheirWords) {
  begin(1, 1);
  end(1, 9, "restart", "mpirun ended on request of somebody");
  EXPECT_EQ(read().failures.size(), 1u);
}

TEST_F(Attempts, ThatHungTellTheInjectedFaultAndWhenItWasNoticed) {
  begin(1, 1);
  say("hang", 5, {{"attempt", 1}, {"injected", "stop:rank=1,step=3"}});
  end(1, 9, "restart", "rank 1 hung", to_json(ExitRecord{.rank = 1, .host = "a", .is_hung = true}));
  const RunHistory history = read();
  ASSERT_EQ(history.failures.size(), 1u);
  EXPECT_EQ(history.failures[0].injected, "stop:rank=1,step=3");
  EXPECT_EQ(history.failures[0].unix_seconds, 5);
}

TEST_F(Attempts, ThatLostAHostTellWhenItWasNoticed) {
  begin(1, 1);
  say("rank_lost", 2, {{"attempt", 1}, {"injected", "kill:rank=0,step=3"}});  // its supervisor is killed
  begin(2, 3);
  say("host_lost", 6, {{"attempt", 2}, {"host", "b"}});
  end(2, 9, "restart", "host b is lost", to_json(ExitRecord{.rank = 1, .host = "b", .error = "host b is lost", .is_shim_lost = true}));
  const RunHistory history = read();
  ASSERT_EQ(history.failures.size(), 1u);
  EXPECT_EQ(history.failures[0].unix_seconds, 6);
  EXPECT_EQ(history.failures[0].injected, "");
}

}  // namespace
}  // namespace holdfast
