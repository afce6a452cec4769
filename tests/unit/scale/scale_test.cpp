// What bench/run.sh scale measures, at 100 ranks, and of it what does not depend on time.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "bench/scale/attempts.h"
#include "bench/scale/big_model.h"
#include "bench/scale/lease_load.h"
#include "bench/scale/manifests.h"
#include "bench/scale/saves.h"
#include "bench/scale/votes.h"
#include "bench/scale/watching.h"
#include "bench/scale/worked_example.h"
#include "checkpoint/format/manifest.h"
#include "launch/accounting.h"
#include "launch/journal.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

constexpr int kRanks = 100;

/// Turns a byte of a file around.
void damage(const Path& path, std::int64_t byte) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  ASSERT_TRUE(file.seekg(byte)) << path;
  const int before = file.get();
  file.seekp(byte).put(static_cast<char>(before ^ 1));
  ASSERT_TRUE(file.flush()) << path;
}

class Scale : public testing::Test {
 protected:
  const Path& root() const { return directory_.path(); }
  Path state(int step) const { return root() / "checkpoints" / ("step-0000000" + std::to_string(step)); }
  ScaleTask task() const { return {.ranks = kRanks, .repeat = 1, .directory = root().string()}; }

 private:
  TemporaryDirectory directory_;
};

TEST_F(Scale, ASaveOfAHundredRanksIsCommittedWithTheMessagesOfTheModel) {
  const std::vector<MeasuredSave> saves = save(root(), kRanks, 1, 2);
  ASSERT_EQ(saves.size(), 2u);
  EXPECT_EQ(saves[1].failure, "");
  // Two broadcasts of texts, each a length and the text; two votes; the records and the reports, each lengths and texts.
  EXPECT_EQ(saves[1].traffic.calls, 8u);
  EXPECT_EQ(saves[1].traffic.messages, 4u * 99 + 2u * 100 * 7 + 2u * 99 + 99 + 2)
      << "only the owner of the weights and who checks it report";
  EXPECT_EQ(saves[1].traffic.calls, save(root() / "few", 10, 1, 1)[0].traffic.calls) << "whatever the number of ranks";
  const auto files = make_posix_file_system();
  EXPECT_EQ(read_manifest(*files, state(2)).shards.size(), 100u);
}

TEST_F(Scale, AHundredRanksGoOnFromTheNewestSoundCheckpoint) {
  save(root(), kRanks, 1, 4);
  MeasuredResume resumed = resume(root(), kRanks, kRanks);
  EXPECT_EQ(resumed.step, 4);
  EXPECT_EQ(resumed.ranks_that_agree, kRanks);

  damage(state(4) / kManifestName, 30);
  damage(state(3) / shard_name(57, kRanks), static_cast<std::int64_t>(std::filesystem::file_size(state(3) / shard_name(57, kRanks))) - 1);
  resumed = resume(root(), kRanks, kRanks);
  EXPECT_EQ(resumed.step, 2) << "the manifest of 4 and one of the shards of 3 are damaged";
  EXPECT_EQ(resumed.ranks_that_agree, kRanks);
}

TEST_F(Scale, RanksThatAreLeftOutChangeNothingForThoseThatRun) {
  save(root(), kRanks, 1, 1);
  const MeasuredResume all = resume(root(), kRanks, kRanks), some = resume(root(), kRanks, 8);
  EXPECT_EQ(some.step, 1);
  EXPECT_EQ(some.ranks_that_agree, 8);
  EXPECT_EQ(some.traffic.calls, all.traffic.calls);
  EXPECT_EQ(some.traffic.messages, all.traffic.messages);
}

TEST_F(Scale, TheManifestOfABillionParametersOnAHundredShardsLoadsAsItWasWritten) {
  EXPECT_NEAR(static_cast<double>(parameters_of(big_model())), 1e9, 0.02e9);
  const std::string text = manifest_text(facts_of_big_model(kRanks), records_of_big_model(kRanks).shards);
  const Manifest manifest = manifest_from_text(text, "a manifest");
  EXPECT_EQ(to_text(manifest), text);
  ASSERT_EQ(manifest.shards.size(), 100u);
  std::uint64_t bytes = 0;
  for (const StateEntry& entry : big_model())
    bytes += entry.info.bytes() * (entry.info.kind == TensorKind::per_rank ? std::uint64_t{kRanks} : 1);
  std::uint64_t stored = 0, least = UINT64_MAX, most = 0;
  for (const ShardRecord& shard : manifest.shards) {
    stored += shard.bytes;
    least = std::min(least, shard.bytes);
    most = std::max(most, shard.bytes);
  }
  EXPECT_GE(stored, bytes);
  EXPECT_LT(most - least, 3u << 20) << "cuts are at blocks of 1 MiB";
}

class AttemptOf : public Scale, public testing::WithParamInterface<Ending> {};

TEST_P(AttemptOf, AHundredRanksIsInTheJournalAsTheSupervisorKnewIt) {
  const Path path = root() / "journal.jsonl";
  Attempts attempts(path, kRanks);
  attempts.run(GetParam());
  const std::vector<nlohmann::json> lines = Journal::read(path);
  const AttemptOutcome& known = attempts.supervision().outcomes().at(0);
  EXPECT_EQ(std::ssize(lines), attempts.lines());
  EXPECT_EQ(Journal::newest_attempt(lines), attempts.supervision().attempt());
  const auto ended = std::find_if(lines.begin(), lines.end(), [](const nlohmann::json& line) { return line["event"] == "attempt_ended"; });
  ASSERT_NE(ended, lines.end());
  const std::optional<ExitRecord> cause = cause_of(known);
  EXPECT_EQ((*ended)["cause"], cause ? to_json(*cause) : nlohmann::json());
  EXPECT_EQ((*ended)["decision"], name_of(decide(RestartOptions{}, attempts.supervision().outcomes()).kind));
  EXPECT_EQ((*ended)["decision"], GetParam() == Ending::done ? "done" : "restart");
  const Account made = account(lines, [](int) { return std::vector<TimesFile>{}; });
  ASSERT_EQ(made.attempts.size(), 1u);
  EXPECT_EQ(made.ranks.size(), 100u);
  EXPECT_EQ(made.attempts[0].reached_step, known.reached_step);
  EXPECT_EQ(made.attempts[0].recomputed_steps, lost_steps(known));
}

TEST_P(AttemptOf, AHundredRanksNeedsNoMoreLinesThatWaitForTheDiskThanOneOfTen) {
  Attempts many(root() / "many.jsonl", kRanks), few(root() / "few.jsonl", 10);
  many.run(GetParam());
  few.run(GetParam());
  EXPECT_EQ(many.synced_lines(), few.synced_lines());
}

INSTANTIATE_TEST_SUITE_P(Scale, AttemptOf, testing::ValuesIn(kEndings), [](const auto& one) { return std::string(name_of(one.param)); });

TEST_F(Scale, TheSameEventsMakeTheSameJournal) {
  std::vector<std::vector<nlohmann::json>> journals;
  for (const char* name : {"a.jsonl", "b.jsonl"}) {
    Attempts attempts(root() / name, kRanks);
    for (const Ending ending : {Ending::killed, Ending::hung, Ending::cut, Ending::done}) attempts.run(ending);
    EXPECT_EQ(attempts.supervision().phase(), Supervision::Phase::over);
    journals.push_back(Journal::read(root() / name));
    for (nlohmann::json& line : journals.back())
      for (const char* moment : {"time", "unix_seconds"}) line.erase(moment);
  }
  EXPECT_EQ(journals[0].size(), journals[1].size());
  EXPECT_EQ(journals[0], journals[1]);
}

TEST_F(Scale, AHundredShimsJoinAndAreHeard) {
  std::string why;
  const std::optional<LeaseLoad> load = load_leases(kRanks, 0.5, why);
  ASSERT_TRUE(load) << why;
  EXPECT_GT(load->words_a_second, 0);
  EXPECT_EQ(load->expected_words, 500);
}

TEST_F(Scale, EveryPartRunsAndSaysOfHowManyRanksItSpeaks) {
  for (const auto& measure : {measure_votes, measure_saves, measure_manifests, measure_watching, measure_worked_example})
    for (const Figure& figure : measure(task())) {
      EXPECT_EQ(figure.ranks, kRanks) << figure.way;
      EXPECT_TRUE(!figure.seconds.empty() || !figure.facts.empty()) << figure.way;
    }
}

}  // namespace
}  // namespace holdfast
