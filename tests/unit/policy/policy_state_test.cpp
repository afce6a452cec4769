#include "checkpoint/policy/policy_state.h"

#include <gmock/gmock.h>

#include <cmath>
#include <stdexcept>

namespace holdfast {
namespace {

PolicyState some_state() {
  EntryState entry{.entry = "best",
                   .monitor = "val_loss",
                   .mode = Mode::max,
                   .weights = "ema",
                   .names = {},
                   .is_waiting = true,
                   .asked_at_minutes = 1.5,
                   .inherited_best = "a/b"};
  entry.names = {{{10, 0}, "epoch=0", Slot::kept, 0.1},     {{20, 1}, "x/y", Slot::last, {}},
                 {{30, 0}, "f", Slot::final, std::nan("")}, {{30, 0}, "e", Slot::exception, INFINITY},
                 {{30, 0}, "s", Slot::signal, -INFINITY},   {{10, 0}, "r", Slot::resumed, {}}};
  PolicyState state{
      .entries = {entry}, .states = {{10, 0}, {20, 1}, {30, 0}}, .newest = CheckpointName{30, 0}, .position = {3, 40, 30}, .minutes = 2.25};
  state.retiring = {{5, 0}};
  return state;
}

TEST(PolicyState, SurvivesItsManifest) {
  const nlohmann::json stored = to_json(some_state());
  EXPECT_EQ(to_json(policy_state_from_json(nlohmann::json::parse(stored.dump()))), stored);
  EXPECT_EQ(to_json(policy_state_from_json(to_json(PolicyState{}))), to_json(PolicyState{}));
}

TEST(PolicyState, RefusesNamesThatLeaveTheirDirectory) {
  for (const char* name : {"../x", "/x", ""}) {
    PolicyState state = some_state();
    state.entries[0].names[0].name = name;
    EXPECT_THROW(policy_state_from_json(to_json(state)), std::invalid_argument) << name;
    state = some_state();
    state.entries[0].entry = name;
    EXPECT_THROW(policy_state_from_json(to_json(state)), std::invalid_argument) << name;
  }
}

TEST(PolicyState, RefusesWhatMakesNoSense) {
  const nlohmann::json good = to_json(some_state());
  for (const auto& [key, value] : good.items()) {
    nlohmann::json bad = good;
    bad.erase(key);
    EXPECT_THROW(policy_state_from_json(bad), std::exception) << key;
  }
  nlohmann::json bad = good;
  bad["states"][0] = "not-a-step";
  EXPECT_THROW(policy_state_from_json(bad), std::invalid_argument);
  bad = good;
  bad["entries"][0]["names"][0]["slot"] = "nowhere";
  EXPECT_THROW(policy_state_from_json(bad), std::invalid_argument);
}

}  // namespace
}  // namespace holdfast
