#include "launch/accounting.h"

#include <gmock/gmock.h>

#include <numeric>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using nlohmann::json;

const LeftTimes kNothingLeft = [](int) { return std::vector<TimesFile>{}; };

TimeRecord record(std::initializer_list<std::pair<TimeCause, double>> spent, std::int64_t step = 0, double busy = 0) {
  TimeRecord made{.completed_step = step, .busy_seconds = busy};
  for (const auto& [cause, seconds] : spent) {
    made.seconds[static_cast<std::size_t>(cause)] += seconds;
    made.age_seconds += seconds;
    made.open_cause = cause;
    made.open_seconds = seconds;
  }
  return made;
}

json event(const char* name, double time, json fields = json::object()) {
  fields["event"] = name;
  fields["unix_seconds"] = time;
  return fields;
}

json of_rank(int rank, double launch, const TimeRecord& times, double after) {
  return {{"rank", rank}, {"host", "a"}, {"launch_seconds", launch}, {"times", to_json(times)}, {"after_seconds", after}};
}

/// Two ranks: 10 s with a death, a pause of 2 s, 10 s to the end.
std::vector<json> journal_with_a_death() {
  using enum TimeCause;
  const json first = {of_rank(0, 1, record({{startup, 1}, {steps, 4}, {collectives, 3}}, 20, 4), 1),
                      of_rank(1, 1, record({{startup, 1}, {collectives, 1}, {steps, 6}}, 20, 6), 1)};
  const json second = {
      of_rank(0, 1, record({{restore, 1}, {recomputed_steps, 1}, {recomputed_collectives, 1}, {steps, 4}, {finish, 1}}, 40, 5), 1),
      of_rank(1, 1, record({{restore, 1}, {recomputed_steps, 2}, {steps, 4}, {finish, 1}}, 40, 6), 1)};
  return {
      event("run_started", 100),
      event("attempt_started", 101, {{"attempt", 1}, {"world_size", 2}}),
      event("resumed", 102, {{"attempt", 1}, {"step", -1}}),
      event(
          "attempt_ended", 111,
          {{"attempt", 1}, {"reached_step", 20}, {"recomputed_steps", 6}, {"times", first}, {"reason", "killed"}, {"decision", "restart"}}),
      event("restart", 111),
      event("attempt_started", 113, {{"attempt", 2}, {"world_size", 2}}),
      event("resumed", 114, {{"attempt", 2}, {"step", 14}}),
      event("attempt_ended", 123, {{"attempt", 2}, {"is_done", true}, {"reached_step", 40}, {"times", second}, {"decision", "done"}}),
      event("done", 124, {{"exit_code", 0}})};
}

TEST(Account, OfARunWithADeathSumsToItsWallTime) {
  const Account sums = account(journal_with_a_death(), kNothingLeft);
  EXPECT_EQ(sums.wall_seconds, 24);
  EXPECT_DOUBLE_EQ(sums.accounted_seconds(), 24);
  EXPECT_EQ(sums[RunCause::startup], 1 + 1 + 1 + 1) << "before the first attempt, two launches, set-up";
  EXPECT_EQ(sums[RunCause::useful], (4 + 6 + 4 + 4) / 2.0);
  EXPECT_EQ(sums[RunCause::recomputed], 2);
  EXPECT_EQ(sums[RunCause::collectives], 2);
  EXPECT_EQ(sums[RunCause::restore], 1);
  EXPECT_EQ(sums[RunCause::restart], 1 + 2) << "from the ranks' end, and the pause";
  EXPECT_EQ(sums[RunCause::finish], 1 + 1 + 1);
  EXPECT_EQ(sums.goodput(), 9 / 24.0);
  ASSERT_EQ(sums.ranks.size(), 2u);
  for (const RankAccount& rank : sums.ranks) EXPECT_DOUBLE_EQ(std::accumulate(rank.seconds.begin(), rank.seconds.end(), 0.0), 24);
  EXPECT_EQ(sums.ranks[1].steps, 20 + 26);
  EXPECT_EQ(sums.ranks[1].busy_seconds, 12);
  ASSERT_EQ(sums.attempts.size(), 2u);
  EXPECT_EQ(sums.attempts[1].from_step, 14);
  EXPECT_EQ(sums.attempts[0].recomputed_steps, 6);
}

TEST(Account, TheIntervalThatAHangDidNotEndIsHangWait) {
  std::vector<json> journal = journal_with_a_death();
  journal.insert(journal.begin() + 3, event("hang", 110, {{"attempt", 1}}));
  const Account sums = account(journal, kNothingLeft);
  EXPECT_EQ(sums[RunCause::hang], (3 + 6) / 2.0) << "rank 0 waited in a collective, rank 1 stood in a step";
  EXPECT_EQ(sums[RunCause::useful], (4 + 0 + 4 + 4) / 2.0);
  EXPECT_DOUBLE_EQ(sums.accounted_seconds(), 24);
}

TEST(Account, AfterAStopTheRestIsFinish) {
  std::vector<json> journal = journal_with_a_death();
  journal.resize(4);
  journal.back()["decision"] = "stopped";
  journal.push_back(event("stopped", 112));
  const Account sums = account(journal, kNothingLeft);
  EXPECT_EQ(sums[RunCause::restart], 0);
  EXPECT_EQ(sums[RunCause::finish], 1 + 1);
  EXPECT_DOUBLE_EQ(sums.accounted_seconds(), sums.wall_seconds);
}

TEST(Account, OfSeveralStartsLeavesOutTheTimeBetweenThem) {
  std::vector<json> journal = journal_with_a_death();
  for (json line : journal_with_a_death()) {
    line["unix_seconds"] = line["unix_seconds"].get<double>() + 10000;
    journal.push_back(line);
  }
  const Account both = account(journal, kNothingLeft), newest = account(newest_start(journal), kNothingLeft);
  EXPECT_EQ(both.wall_seconds, 48);
  EXPECT_DOUBLE_EQ(both.accounted_seconds(), 48);
  EXPECT_EQ(newest.wall_seconds, 24);
}

TEST(Account, WhereNoEndIsWrittenDownWhatTheRanksLeftCounts) {
  std::vector<json> journal = journal_with_a_death();
  journal.resize(7);  // the supervisor is killed, or runs still
  const LeftTimes left = [](int attempt) {
    EXPECT_EQ(attempt, 2);
    using enum TimeCause;
    return std::vector<TimesFile>{{.rank = 0, .host = "a", .unix_seconds = 120, .times = record({{startup, 1}, {steps, 5}}, 30, 5)},
                                  {.rank = 1, .host = "b", .unix_seconds = 122, .times = record({{startup, 1}, {steps, 7}}, 31, 7)}};
  };
  const Account sums = account(journal, left);
  EXPECT_EQ(sums.wall_seconds, 21) << "until they were read, on average";
  EXPECT_DOUBLE_EQ(sums.accounted_seconds(), 21);
  EXPECT_EQ(sums.attempts[1].reached_step, 31);
  EXPECT_FALSE(sums.attempts[1].has_ended);
  EXPECT_EQ(sums.attempts[1].reason, "") << "it may run still";
  journal.push_back(event("run_started", 200));
  journal.push_back(event("attempt_started", 200, {{"attempt", 3}, {"world_size", 2}}));
  journal.push_back(event("resumed", 201, {{"attempt", 3}, {"step", 28}}));
  const AttemptAccount broken_off =
      account(journal, [&](int attempt) { return attempt == 2 ? left(2) : std::vector<TimesFile>{}; }).attempts[1];
  EXPECT_EQ(broken_off.reason, "its supervisor was killed, or its host went down");
  EXPECT_EQ(broken_off.recomputed_steps, 31 - 28);
}

TEST(Account, ARankThatNeverSaidAnythingWasStartingUp) {
  const std::vector<json> journal = {event("run_started", 100), event("attempt_started", 100, {{"attempt", 1}, {"world_size", 2}}),
                                     event("attempt_ended", 104, {{"attempt", 1}}), event("gave_up", 104)};
  const Account sums = account(journal, kNothingLeft);
  EXPECT_EQ(sums[RunCause::startup], 4);
  EXPECT_EQ(sums.accounted_seconds(), 4);
  EXPECT_EQ(sums.goodput(), 0);
}

TEST(Account, OfARunWithoutASupervisorIsWhatItsRanksLeft) {
  const LeftTimes left = [](int) {
    return std::vector<TimesFile>{
        {.rank = 0, .host = "a", .is_ended = true, .times = record({{TimeCause::startup, 2}, {TimeCause::steps, 6}}, 30, 6)}};
  };
  const Account sums = account({}, left);
  EXPECT_FALSE(sums.is_supervised);
  EXPECT_EQ(sums.wall_seconds, 8);
  EXPECT_EQ(sums.goodput(), 0.75);
  EXPECT_EQ(account({}, kNothingLeft).goodput(), 0);
}

TEST(Account, RubbishInTheJournalCountsNothing) {
  std::vector<json> journal = journal_with_a_death();
  journal.insert(journal.begin() + 2, json{{"event", "attempt_ended"}});
  journal.insert(journal.begin() + 2, json{{"no_event", 1}});
  journal.insert(journal.begin(), event("attempt_ended", 1));
  EXPECT_NO_THROW(account(journal, kNothingLeft));
  for (std::size_t cut = 0; cut < journal.size(); ++cut)
    EXPECT_NO_THROW(account({journal.begin() + static_cast<std::ptrdiff_t>(cut), journal.end()}, kNothingLeft));
}

TEST(ReachedStep, IsThatOfAttemptsOfARunThatHasNotEnded) {
  std::vector<json> journal = journal_with_a_death();
  EXPECT_EQ(reached_step_of_unfinished(journal, kNothingLeft), 0) << "it is done: what follows is another wish";
  journal.resize(6);
  const LeftTimes left = [](int attempt) { return std::vector<TimesFile>{{.rank = 0, .times = record({}, attempt == 2 ? 27 : 0)}}; };
  EXPECT_EQ(reached_step_of_unfinished(journal, left), 27) << "the supervisor was killed in attempt 2";
  journal.push_back(event("run_started", 130));
  EXPECT_EQ(reached_step_of_unfinished(journal, left), 27);
  EXPECT_EQ(reached_step_of_unfinished(journal, kNothingLeft), 20);
}

TEST(LeftTimes, AreReadInTheOrderOfTheRanksAndDamagedOnesAreLeftOut) {
  TemporaryDirectory directory;
  const RunLayout layout{directory.path()};
  const auto files = make_posix_file_system();
  EXPECT_TRUE(left_times(*files, layout, 1).empty());
  make_directories(*files, layout.attempt_logs(1));
  for (const int rank : {10, 2}) ASSERT_TRUE(write_times_file(layout.rank_times(1, rank), {.rank = rank, .times = record({})}));
  write_text_durably(*files, layout.rank_times(1, 3), "{\"rank\":");
  const std::vector<TimesFile> found = left_times(*files, layout, 1);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].rank, 2);
  EXPECT_EQ(found[1].rank, 10);
}

TEST(GoodputLine, NamesTheLargestLossesFirst) {
  EXPECT_EQ(
      goodput_line(account(journal_with_a_death(), kNothingLeft)),
      "goodput 37.5% (useful steps 9.0 of 24.0 s); start-up 16.7%, restart 12.5%, finish 12.5%, recomputed steps 8.3%, collectives wait "
      "8.3%, restore 4.2%");
  EXPECT_EQ(goodput_line({}), "");
}

}  // namespace
}  // namespace holdfast
