#include "checkpoint/policy/trace.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "checkpoint/policy/simulation.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

std::string refused(const std::string& text) {
  try {
    read_trace(text, "t.jsonl");
    return "(no ConfigError)";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(Trace, ReadsEveryEvent) {
  const auto events = read_trace(R"({"event": "start", "directory": "d", "total_steps": 9, "updates_per_epoch": 3, "metrics": ["a"]}

{"event": "batch", "updates": {"g": 1, "d": 0}, "accumulating": false, "metrics": {"train_loss": "nan"}, "count": 3, "note": "x"}
{"event": "batch", "updates": 0}
{"event": "validation", "metrics": {"a": -1.5}, "sanity_check": true}
{"event": "epoch_end"}
{"event": "time", "minutes": 5}
{"event": "signal"}
{"event": "exception"}
{"event": "resume", "from": "a/b", "directory": "e", "checkpoints": [{"name": "x"}], "total_steps": 10}
{"event": "remove", "name": "a/b"}
{"event": "train_end"})",
                                 "t.jsonl");
  ASSERT_EQ(events.size(), 11u);
  EXPECT_EQ(events[1].where, "t.jsonl:3");
  EXPECT_EQ(events[1].count, 3);
  EXPECT_TRUE(events[1].has_update);
  EXPECT_TRUE(std::isnan(events[1].metrics.at("train_loss")));
  EXPECT_FALSE(events[2].has_update);
  EXPECT_TRUE(events[3].is_sanity_check);
}

TEST(Trace, RefusesWhatItDoesNotKnowWithTheLine) {
  EXPECT_THAT(refused("{\"event\": \"batch\"}\nnonsense"), HasSubstr("t.jsonl:2: read an event: expected one JSON object"));
  EXPECT_THAT(refused("{\"event\": \"step\"}"), HasSubstr("t.jsonl:1: read an event: expected an event (start, batch"));
  EXPECT_THAT(refused("{\"event\": \"batch\", \"metric\": {}}"), HasSubstr("found 'metric': did you mean 'metrics'?"));
  EXPECT_THAT(refused("{\"event\": \"batch\", \"count\": 0}"), HasSubstr("expected 1 or more, found 0"));
  EXPECT_THAT(refused("{\"event\": \"validation\", \"metrics\": 3}"), HasSubstr("another value of `metrics`, found 3"));
  EXPECT_THAT(refused("{\"event\": \"resume\"}"), HasSubstr("expected `from`"));
  EXPECT_THAT(refused("[]"), HasSubstr("a JSON object with `event`"));
}

TEST(Simulation, NeedsTheLengthOfARunForItsFractions) {
  const auto run = [](const char* text) { return simulate({{.every_steps = 0.5}}, {}, read_trace(text, "t.jsonl")); };
  EXPECT_THROW(run(R"({"event": "batch"})"), ConfigError);
  EXPECT_NO_THROW(run("{\"event\": \"start\", \"total_steps\": 4}\n{\"event\": \"batch\"}"));
}

}  // namespace
}  // namespace holdfast
