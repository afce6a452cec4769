#include "base/flight_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

FlightRecord record(int rank, FlightProgress progress, std::vector<RecordedOperation> operations = {}) {
  return {.rank = rank, .reason = "", .progress = progress, .operations = std::move(operations)};
}

TEST(FlightRecord, SurvivesTheWayThroughItsFile) {
  const FlightRecord before{.rank = 3,
                            .reason = "operation 8 is not over",
                            .progress = {9, 8, 7},
                            .operations = {{.sequence = 8, .bytes = 4096, .queued_at = 1700000000.125, .started_at = 1700000000.25},
                                           {.sequence = 9, .bytes = 128, .queued_at = 1700000000.5}}};
  EXPECT_EQ(flight_record_from_json(nlohmann::json::parse(to_json(before).dump())), before);
  EXPECT_TRUE(to_json(before)["operations"][1]["started_at"].is_null()) << "what has not happened has no time";
}

TEST(FlightRecord, OfAnUnknownOperationIsRefused) {
  nlohmann::json json = to_json(record(0, {1, 0, 0}, {{.sequence = 1}}));
  json["operations"][0]["operation"] = "reduce_scatter_of_tomorrow";
  EXPECT_THROW(flight_record_from_json(json), std::invalid_argument);
}

TEST(FlightRecord, IsWrittenWhateverTheReasonSays) {
  const TemporaryDirectory directory;
  static FlightRing ring{};
  ring.queued = 1;
  write_device_record(directory.path() / "record.json", ring, 3, "a name in Latin-1: M\xfcller");
  std::ifstream file(directory.path() / "record.json");
  const FlightRecord read = flight_record_from_json(nlohmann::json::parse(file));
  EXPECT_EQ(read.rank, 3);
  EXPECT_THAT(read.reason, testing::StartsWith("a name in Latin-1: M"));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "record.json.tmp"));
}

TEST(FlightRecord, OfARingThatIsBeingWrittenLeavesTheUnfinishedSlotOut) {
  static FlightRing ring{};
  ring.queued = 2;
  ring.slots[1].sequence = 1;
  ring.slots[2].sequence = 0;  // of operation 2, which is just being written
  const FlightRecord read = read_ring(ring, 0, "");
  ASSERT_EQ(read.operations.size(), 1u);
  EXPECT_EQ(read.operations[0].sequence, 1u);
  EXPECT_EQ(read.progress, (FlightProgress{2, 0, 0}));
}

TEST(Laggards, AreTheRanksThatHaveNotBegunWhatOthersHave) {
  const RecordedOperation eighth{.sequence = 8, .bytes = 4194304};
  const std::vector<FlightRecord> records = {record(0, {9, 8, 7}, {eighth}), record(1, {7, 7, 7}), record(2, {8, 8, 7}, {eighth})};
  const std::optional<Laggards> found = laggards(records);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ranks, (std::vector<int>{1}));
  EXPECT_EQ(found->sequence, 8u);
  EXPECT_EQ(found->text, "rank 1 has not begun operation 8 (all_reduce of 4194304 bytes), which ranks 0, 2 have");
}

TEST(Laggards, AreFoundByWhatTheirDeviceHasBegunNotByWhatTheyHaveQueued) {
  const std::vector<FlightRecord> records = {record(0, {8, 8, 7}), record(1, {20, 7, 7})};  // rank 1's own device is stuck
  ASSERT_TRUE(laggards(records));
  EXPECT_EQ(laggards(records)->ranks, (std::vector<int>{1}));
}

TEST(Laggards, HaveNotEndedWhatAllHaveBegunAndOthersHaveEnded) {
  const std::vector<FlightRecord> records = {record(2, {8, 8, 7}), record(0, {8, 8, 8}), record(1, {8, 8, 7})};
  ASSERT_TRUE(laggards(records));
  EXPECT_EQ(laggards(records)->ranks, (std::vector<int>{1, 2}));
  EXPECT_EQ(laggards(records)->text, "ranks 1, 2 have not ended operation 8, which rank 0 has");
}

TEST(Laggards, AreNoneWhereAllAreInOneOperationOrOneRecordIsAllThereIs) {
  EXPECT_FALSE(laggards(std::vector<FlightRecord>{record(0, {8, 8, 7}), record(1, {8, 8, 7})}));
  EXPECT_FALSE(laggards(std::vector<FlightRecord>{record(0, {8, 8, 7})}));
  EXPECT_FALSE(laggards({}));
}

TEST(Divergence, NamesTwoRanksThatMeanDifferentThingsByOneNumber) {
  const std::vector<FlightRecord> records = {record(0, {2, 2, 1}, {{.sequence = 1, .bytes = 64}, {.sequence = 2, .bytes = 64}}),
                                             record(1, {2, 2, 1}, {{.sequence = 1, .bytes = 64}, {.sequence = 2, .bytes = 128}})};
  EXPECT_EQ(divergence(records), "operation 2 is all_reduce of 64 bytes on rank 0, and all_reduce of 128 bytes on rank 1");
  EXPECT_EQ(divergence(std::span(records).first(1)), "");
}

}  // namespace
}  // namespace holdfast
