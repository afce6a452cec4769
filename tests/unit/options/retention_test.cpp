#include "options/retention.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Indices = std::vector<std::size_t>;

CheckpointOptions entry(const std::string& name, std::int64_t keep_last) { return {.name = name, .keep_last = keep_last}; }

std::vector<StoredState> states_of(const std::vector<std::vector<std::string>>& entries) {
  std::vector<StoredState> states;
  for (const auto& names : entries) states.push_back({.step = static_cast<std::int64_t>(states.size() + 1) * 10, .entries = names});
  return states;
}

TEST(Retention, KeepsTheNewestOfAnEntry) {
  const auto states = states_of({{"a"}, {"a"}, {"a"}, {"a"}});
  EXPECT_EQ(states_to_delete({entry("a", 2)}, states), (Indices{0, 1}));
  EXPECT_EQ(states_to_delete({entry("a", 1)}, states), (Indices{0, 1, 2}));
  EXPECT_EQ(states_to_delete({entry("a", 9)}, states), Indices{});
}

TEST(Retention, KeepsAllWhenToldSo) { EXPECT_EQ(states_to_delete({entry("a", -1)}, states_of({{"a"}, {"a"}, {"a"}})), Indices{}); }

TEST(Retention, KeepsAStateWhileAnyEntryDoes) {
  const auto states = states_of({{"a", "b"}, {"a"}, {"a"}, {"b"}, {"a"}});
  EXPECT_EQ(states_to_delete({entry("a", 1), entry("b", 2)}, states), (Indices{1, 2}));
}

TEST(Retention, CountsEachEntryByItself) {
  const auto states = states_of({{"rare"}, {"often"}, {"often"}, {"often"}});
  EXPECT_EQ(states_to_delete({entry("rare", 1), entry("often", 1)}, states), (Indices{1, 2}));
}

TEST(Retention, KeepsTheStepWeRestoredFrom) {
  auto states = states_of({{"a"}, {"a"}, {"a"}});
  states[0].is_protected = true;
  EXPECT_EQ(states_to_delete({entry("a", 1)}, states), Indices{1});
}

TEST(Retention, NeverDeletesTheNewestState) {
  EXPECT_EQ(states_to_delete({entry("a", 0)}, states_of({{"a"}, {"a"}})), Indices{0});
  EXPECT_EQ(states_to_delete({entry("a", 1)}, {}), Indices{});
}

TEST(Retention, KeepsStatesOfEntriesThatTheConfigurationNoLongerHas) {
  const auto states = states_of({{"old"}, {"a"}, {"old"}, {"a"}, {"a"}});
  EXPECT_EQ(states_to_delete({entry("a", 1)}, states), (Indices{1, 3}));
}

}  // namespace
}  // namespace holdfast
