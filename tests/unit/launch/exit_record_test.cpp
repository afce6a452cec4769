#include "launch/shim/exit_record.h"

#include <gmock/gmock.h>

#include "base/exit_code.h"

namespace holdfast {
namespace {

using nlohmann::json;

ExitRecord full_record() {
  return {.rank = 3,
          .host = "node-7",
          .pid = 4711,
          .exit_code = 70,
          .signal = 11,
          .section = "backward",
          .step = 137,
          .global_step = 136,
          .saving_step = 130,
          .collectives = 9001,
          .is_inside_collective = true,
          .error = "a \"quoted\" line\nand another",
          .last_lines = {"one", "", "three"},
          .was_killed_by_us = true,
          .is_futile = true,
          .stops_run = true,
          .is_shim_lost = true,
          .is_hung = true,
          .is_out_of_memory = true,
          .evidence = "seen"};
}

TEST(ExitRecord, ComesBackFromJsonWhole) {
  const json stored = to_json(full_record());
  EXPECT_EQ(to_json(exit_record_from_json(json::parse(stored.dump()))), stored);
  const json defaults = to_json(ExitRecord{});
  for (const auto& [key, value] : defaults.items()) EXPECT_NE(stored.at(key), value) << key << " is not in the record above";
}

TEST(ExitRecord, EachFieldComesBackAsItself) {
  const ExitRecord read = exit_record_from_json(to_json(full_record()));
  EXPECT_EQ(read.rank, 3);
  EXPECT_EQ(read.host, "node-7");
  EXPECT_EQ(read.pid, 4711);
  EXPECT_EQ(read.exit_code, 70);
  EXPECT_EQ(read.signal, 11);
  EXPECT_EQ(read.section, "backward");
  EXPECT_EQ(read.step, 137);
  EXPECT_EQ(read.global_step, 136);
  EXPECT_EQ(read.saving_step, 130);
  EXPECT_EQ(read.collectives, 9001u);
  EXPECT_TRUE(read.is_inside_collective);
  EXPECT_EQ(read.error, full_record().error);
  EXPECT_EQ(read.last_lines, full_record().last_lines);
  EXPECT_TRUE(read.was_killed_by_us);
  EXPECT_TRUE(read.is_futile);
  EXPECT_TRUE(read.stops_run);
  EXPECT_TRUE(read.is_shim_lost);
}

TEST(ExitRecord, WithoutAFieldOrWithAnotherTypeIsRefused) {
  const json good = to_json(full_record());
  for (const auto& [key, value] : good.items()) {
    json without = good, other = good;
    without.erase(key);
    other[key] = json::object();
    EXPECT_THROW(exit_record_from_json(without), json::exception) << key;
    EXPECT_THROW(exit_record_from_json(other), json::exception) << key;
  }
}

TEST(ExitRecord, IsCleanOnlyByAnExitWithZeroThatItsShimReported) {
  EXPECT_TRUE(ExitRecord{}.is_clean());
  EXPECT_FALSE((ExitRecord{.exit_code = 1}).is_clean());
  EXPECT_FALSE((ExitRecord{.signal = 9}).is_clean());
  EXPECT_FALSE((ExitRecord{.is_shim_lost = true}).is_clean());
}

TEST(ExitRecord, WithoutASaveInFlightSaysSo) { EXPECT_EQ(to_json(ExitRecord{}).at("saving_step"), -1); }

TEST(Describe, NamesASaveThatWasInFlightUnlessTheSectionDoes) {
  EXPECT_EQ(describe({.rank = 1, .host = "a", .signal = 9, .section = "forward", .step = 137, .saving_step = 136}),
            "rank 1 on a: ended by signal 9 (Killed) in section forward of step 137, while step 136 was being saved");
  EXPECT_EQ(describe({.rank = 1, .host = "a", .signal = 9, .section = "checkpoint", .step = 136, .saving_step = 136}),
            "rank 1 on a: ended by signal 9 (Killed) in section checkpoint of step 136");
}

TEST(Describe, SaysWhoHowAndWhere) {
  EXPECT_EQ(describe({.rank = 1, .host = "a", .signal = 9, .section = "backward", .step = 137}),
            "rank 1 on a: ended by signal 9 (Killed) in section backward of step 137");
  EXPECT_EQ(describe({.rank = 0, .host = "a", .exit_code = kExitSoftware, .section = "data", .step = 2, .error = "out of cheese"}),
            "rank 0 on a: exited with code 70 in section data of step 2: out of cheese");
  EXPECT_EQ(describe({.rank = 0, .host = "a", .signal = 11, .section = "reduce", .step = 2, .is_inside_collective = true}),
            "rank 0 on a: ended by signal 11 (Segmentation fault) in section reduce of step 2, inside a collective");
}

TEST(Describe, OfALostShimClaimsNothingOfItsRank) {
  EXPECT_EQ(describe({.rank = 1, .host = "a", .is_shim_lost = true}),
            "rank 1 on a: its shim is gone without a word (killed, or its host is lost)");
  EXPECT_EQ(describe({.rank = 1, .is_shim_lost = true}),
            "rank 1 on an unknown host: its shim is gone without a word (killed, or its host is lost)");
}

}  // namespace
}  // namespace holdfast
