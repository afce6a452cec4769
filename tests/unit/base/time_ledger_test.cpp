#include "base/time_ledger.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/heartbeat.h"
#include "base/section.h"
#include "base/time_record.h"
#include "base/times_file.h"
#include "tests/unit/base/fake_clock.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

class Booked : public testing::Test {
 protected:
  TimeRecord read() { return read_times(sections_.times(), clock_.now).value(); }
  void spend(double seconds) { clock_.now += seconds; }
  FakeClock clock_;
  SectionTracker sections_{nullptr, &clock_};
};

TEST_F(Booked, EverySectionHasItsCause) {
  spend(1);
  sections_.enter(Section::restore, 0), spend(2);
  sections_.enter(Section::data, 1), spend(4);
  sections_.enter(Section::forward, 1), spend(8);
  sections_.enter(Section::backward, 1), spend(16);
  sections_.enter(Section::reduce, 1), spend(32);
  sections_.enter(Section::update, 1), spend(64);
  sections_.enter(Section::validation, 1), spend(128);
  sections_.enter(Section::finish, 1), spend(256);
  const TimeRecord record = read();
  EXPECT_EQ(record[TimeCause::startup], 1);
  EXPECT_EQ(record[TimeCause::restore], 2);
  EXPECT_EQ(record[TimeCause::data], 4);
  EXPECT_EQ(record[TimeCause::steps], 8 + 16 + 32 + 64);
  EXPECT_EQ(record[TimeCause::validation], 128);
  EXPECT_EQ(record[TimeCause::finish], 256);
  EXPECT_EQ(record.age_seconds, 511);
  EXPECT_EQ(record.open_cause, TimeCause::finish);
  EXPECT_EQ(record.open_seconds, 256);
}

TEST_F(Booked, ACollectiveIsWaitingInAStepAndPartOfEverythingElse) {
  for (const Section section : {Section::setup, Section::restore, Section::validation, Section::finish, Section::reduce}) {
    sections_.enter(section, 1);
    sections_.collective(true), spend(1), sections_.collective(false), spend(10);
  }
  const TimeRecord record = read();
  for (const TimeCause cause : {TimeCause::startup, TimeCause::restore, TimeCause::validation, TimeCause::finish})
    EXPECT_EQ(record[cause], 11) << name_of(cause);
  EXPECT_EQ(record[TimeCause::collectives], 1);
  EXPECT_EQ(record[TimeCause::steps], 10);
}

TEST_F(Booked, AChargeHoldsOverSectionsAndCollectivesAndTheInnerOneWins) {
  sections_.enter(Section::update, 1);
  {
    const SectionTracker::Charge outer(sections_, TimeCause::checkpoint);
    sections_.enter(Section::commit, 1), spend(1);
    sections_.collective(true), spend(2), sections_.collective(false);
    {
      const SectionTracker::Charge inner(sections_, TimeCause::validation);
      spend(4);
    }
    spend(8);
  }
  spend(16);  // still in section commit: what follows a save is part of a step
  const TimeRecord record = read();
  EXPECT_EQ(record[TimeCause::checkpoint], 11);
  EXPECT_EQ(record[TimeCause::validation], 4);
  EXPECT_EQ(record[TimeCause::steps], 16);
}

TEST_F(Booked, StepsUpToTheReachedOneAreRecomputedAndNothingElseIs) {
  sections_.recompute_until(5);
  for (const std::int64_t step : {5, 6}) {
    sections_.enter(Section::data, step), spend(1);
    sections_.enter(Section::forward, step), spend(2);
    sections_.collective(true), spend(4), sections_.collective(false);
    sections_.enter(Section::validation, step), spend(8);
  }
  const TimeRecord record = read();
  EXPECT_EQ(record[TimeCause::recomputed_data], 1);
  EXPECT_EQ(record[TimeCause::recomputed_steps], 2);
  EXPECT_EQ(record[TimeCause::recomputed_collectives], 4);
  EXPECT_EQ(record[TimeCause::data], 1);
  EXPECT_EQ(record[TimeCause::steps], 2);
  EXPECT_EQ(record[TimeCause::collectives], 4);
  EXPECT_EQ(record[TimeCause::validation], 16);
}

TEST_F(Booked, ACompletedStepTellsWhatItsRankNeededForItsOwnPart) {
  sections_.enter(Section::data, 1), spend(1);
  sections_.enter(Section::forward, 1), spend(2);
  sections_.enter(Section::reduce, 1), sections_.collective(true), spend(100), sections_.collective(false);
  sections_.enter(Section::update, 1), spend(4);
  sections_.completed(1);
  spend(1000);  // of the next step: not complete
  EXPECT_EQ(read().completed_step, 1);
  EXPECT_EQ(read().busy_seconds, 7);
}

TEST_F(Booked, AnotherThreadsCollectiveIsNotTheTrainingThreadsTime) {
  sections_.enter(Section::forward, 1);
  std::thread([this] { sections_.collective(true); }).join();
  spend(1);
  EXPECT_EQ(read()[TimeCause::steps], 1);
}

TEST(TimeLedger, GoesOnInSharedMemoryWhereAnotherProcessReadsIt) {
  const auto heartbeat = Heartbeat::create();
  EXPECT_FALSE(read_times(heartbeat->block().times, 1000).has_value()) << "the rank has not begun";
  FakeClock clock;
  SectionTracker sections(heartbeat.get(), &clock);
  clock.now += 3;
  sections.enter(Section::forward, 1);
  clock.now += 7;  // killed here: the reader's clock goes on
  const TimeRecord record = read_times(heartbeat->block().times, clock.now).value();
  EXPECT_EQ(record[TimeCause::startup], 3);
  EXPECT_EQ(record[TimeCause::steps], 7);
}

TEST(TimeLedger, LosesNothingOverAMillionSwitches) {
  const SystemClock clock;
  TimeTotals totals{};
  TimeLedger ledger(clock, totals);
  const double begin = clock.seconds();
  constexpr int kSwitches = 1'000'000;
  for (int i = 0; i < kSwitches; ++i) ledger.switch_to(i % 2 == 0 ? TimeCause::steps : TimeCause::data);
  const double end = clock.seconds();
  const TimeRecord record = read_times(totals, end).value();
  EXPECT_NEAR(record[TimeCause::startup] + record[TimeCause::steps] + record[TimeCause::data], end - totals.begin, 1e-6);
  const double nanoseconds = (end - begin) / kSwitches * 1e9;
  RecordProperty("nanoseconds_a_switch", std::to_string(nanoseconds));
  EXPECT_LT(nanoseconds, 1000) << "it is 40 or so on a machine that does nothing else";
}

TEST(TimeRecord, ComesBackFromJsonAndFromItsFile) {
  TimeRecord record{.age_seconds = 10, .open_cause = TimeCause::collectives, .open_seconds = 2, .completed_step = 7, .busy_seconds = 3.5};
  record.seconds[static_cast<std::size_t>(TimeCause::collectives)] = 6;
  record.seconds[static_cast<std::size_t>(TimeCause::recomputed_data)] = 4;
  EXPECT_EQ(to_json(*time_record_from_json(to_json(record))), to_json(record));
  TemporaryDirectory directory;
  const Path path = directory.path() / "rank-3.times.json";
  EXPECT_FALSE(read_times_file(path).has_value());
  EXPECT_FALSE(read_times_file("/proc/self/mem").has_value()) << "can be opened, and not read";
  ASSERT_TRUE(write_times_file(path, {.rank = 3, .host = "a", .unix_seconds = 12.5, .is_ended = true, .times = record}));
  const TimesFile file = read_times_file(path).value();
  EXPECT_EQ(file.rank, 3);
  EXPECT_EQ(file.host, "a");
  EXPECT_TRUE(file.is_ended);
  EXPECT_EQ(to_json(file.times), to_json(record));
}

TEST(TimeRecord, OfRubbishIsNone) {
  for (const char* text :
       {"null", "{}", "[]",
        R"({"age_seconds":1,"seconds":{"sleep":1},"open_cause":"steps","open_seconds":0,"completed_step":0,"busy_seconds":0})",
        R"({"age_seconds":1,"seconds":{},"open_cause":"sleep","open_seconds":0,"completed_step":0,"busy_seconds":0})"})
    EXPECT_FALSE(time_record_from_json(nlohmann::json::parse(text)).has_value()) << text;
}

TEST(TimeRecord, WhereNothingCanBeWrittenIsNoFailure) { EXPECT_FALSE(write_times_file("/nowhere/at/all.json", {})); }

}  // namespace
}  // namespace holdfast
