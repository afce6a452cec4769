// The supervisor's mind, explored: every sequence of events up to a depth, each state once, with a world around it that does what
// processes do, so that only what can happen happens. In every state the rules below hold, and from every state the run ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>

#include "launch/supervision.h"
#include "tests/unit/launch/outcomes.h"

namespace holdfast {
namespace {

constexpr int kWorldSize = 2;  // rank 0 on the supervisor's host a, the last one on b
constexpr int kDepth = 60;     // nothing new is found from about half of it on
constexpr int kMostAttempts = 3;

/// What is true outside the supervisor.
struct World {
  int size = kWorldSize;      // ranks of the attempt
  bool is_host_lost = false;  // b, in this attempt
  bool is_placed = false;     // it is decided where the next attempt runs
  bool is_launcher_alive = false;
  bool has_launched = false;
  std::set<int> joined, ended;  // ranks of the attempt
  bool was_told_to_kill = false, was_forced = false;
  bool has_kill_timer = false, has_stack_timer = false, has_grace_timer = false, has_delay = false;
  bool is_stop_written = false, is_finished = false;
  std::string newest_line;  // of the journal
  int lines_of_end = 0;     // attempt_ended lines of this attempt
  int launches = 0;
};

struct State {
  Supervision mind{{.max_attempts_without_progress = kMostAttempts}, kWorldSize, 1};
  World world;
};

struct Rules {
  World& world;
  std::string broken;

  void require(bool holds, const char* rule) {
    if (!holds && broken.empty()) broken = rule;
  }
  void operator()(const action::Launch&) {
    require(!world.is_launcher_alive && world.ended.size() == world.joined.size(), "an attempt starts while one lives");
    require(world.newest_line == "attempt_started", "an attempt starts that the journal does not know");
    const int launches = world.launches + 1;
    require(world.launches == 0 || world.is_placed, "an attempt starts nowhere");
    world = {.size = world.size,
             .is_launcher_alive = true,
             .has_launched = true,
             .is_stop_written = world.is_stop_written,
             .newest_line = world.newest_line,
             .launches = launches};
    require(launches <= kMostAttempts, "more attempts without progress than allowed");
  }
  void operator()(const action::TellStop&) { require(world.is_stop_written, "a stop that the journal does not know"); }
  void operator()(const action::TakeStacks&) { require(world.newest_line == "hang", "stacks of no hang"); }
  void operator()(const action::TellKill&) { world.was_told_to_kill = true; }
  void operator()(const action::ForceKill&) { world.was_forced = true; }
  void operator()(const action::StartGraceTimer&) { world.has_grace_timer = true; }
  void operator()(const action::StartStackTimer&) { world.has_stack_timer = true; }
  void operator()(const action::StartKillTimer&) { world.has_kill_timer = true; }
  void operator()(const action::StartDelay&) {
    require(world.newest_line == "restart", "a wait that the journal does not know");
    world.has_delay = true;
  }
  void operator()(const action::Journal& line) {
    world.newest_line = line.event;
    world.is_stop_written = world.is_stop_written || line.event == "stop_requested";
    if (line.event == "attempt_ended") require(++world.lines_of_end == 1, "an attempt ends twice");
  }
  void operator()(const action::Finish&) {
    require(!world.is_launcher_alive, "the end while an attempt lives");
    world.is_finished = true;
  }
};

/// Everything that may happen next, and what it does to the world.
std::vector<std::pair<Event, World>> possible(const State& state) {
  std::vector<std::pair<Event, World>> events;
  const World& world = state.world;
  const auto add = [&](Event event, auto&& change) {
    World after = world;
    change(after);
    events.emplace_back(std::move(event), std::move(after));
  };
  if (!world.has_launched && !world.is_finished) add(event::Start{7}, [](World&) {});
  if (world.is_finished) return events;
  add(event::StopSignal{}, [](World&) {});
  for (int rank = 0; rank < world.size; ++rank) {
    if (world.is_launcher_alive && !world.joined.contains(rank)) add(event::RankJoined{rank}, [rank](World& w) { w.joined.insert(rank); });
    if (!world.joined.contains(rank) || world.ended.contains(rank)) continue;
    const auto end = [rank](World& w) { w.ended.insert(rank); };
    if (world.was_told_to_kill)
      add(event::RankEnded{killed_by_us(rank)}, end);
    else {
      add(event::RankEnded{exited(rank, 0)}, end);
      add(event::RankEnded{exited(rank, kExitTemporary)}, end);
      add(event::RankEnded{exited(rank, kExitUnavailable)}, end);
      add(event::Resumed{7}, [](World&) {});
      add(event::StackTaken{rank, {}}, [](World&) {});
    }
    add(event::RankEnded{killed(rank, 9)}, end);
    add(event::ShimLost{rank, "a"}, end);
    add(event::ShimSilent{rank, "a", 5}, end);
  }
  const int of_b = world.size - 1;  // what is on b: where it is alone, the supervisor's host has no rank
  if (world.has_launched && !world.has_delay && !world.is_host_lost)
    add(event::HostLost{"b", {of_b}, "nothing answers"}, [of_b](World& w) {
      w.is_host_lost = true;
      w.joined.insert(of_b);  // it will not call any more
      w.ended.insert(of_b);
    });
  if (world.is_launcher_alive) {
    add(event::Hung{{.culprits = {{.rank = 0}}, .waiters = {1}}}, [](World&) {});
    add(event::LauncherEnded{9}, [](World& w) { w.is_launcher_alive = false; });
    if (std::ssize(world.ended) == world.size || world.was_forced)
      add(event::LauncherEnded{0}, [](World& w) { w.is_launcher_alive = false; });
  }
  if (world.has_kill_timer) add(event::KillDeadline{}, [](World& w) { w.has_kill_timer = false; });
  if (world.has_stack_timer) add(event::StackDeadline{}, [](World& w) { w.has_stack_timer = false; });
  if (world.has_grace_timer) add(event::GraceExpired{}, [](World& w) { w.has_grace_timer = false; });
  if (world.has_delay && world.is_placed) add(event::DelayOver{}, [](World& w) { w.has_delay = false; });
  if (world.has_delay && !world.is_placed) {
    const auto place = [](int size) {
      return [size](World& w) {
        w.is_placed = true;
        w.size = size;
      };
    };
    add(event::Placed{world.size, {}}, place(world.size));  // as before, or on a spare
    if (world.is_host_lost && world.size > 1) add(event::Placed{world.size - 1, {}}, place(world.size - 1));
    if (world.size < kWorldSize) add(event::Placed{kWorldSize, {}}, place(kWorldSize));  // a host is back
    if (world.is_host_lost) add(event::TooFewHosts{"none is left"}, [](World& w) { w.has_delay = false; });
  }
  const bool are_all_gone = !world.is_launcher_alive && world.joined.size() == world.ended.size();
  if (state.mind.phase() == Supervision::Phase::ending && are_all_gone) {
    const bool is_clean = std::ssize(world.ended) == world.size && !world.is_host_lost;
    add(event::AllGone{.is_done = false, .durable_step = 7, .reached_step = 9}, [](World&) {});
    if (is_clean) add(event::AllGone{.is_done = true, .durable_step = 9, .reached_step = 9}, [](World&) {});
  }
  return events;
}

/// Two states with the same key behave alike as far as the rules go.
std::string key_of(const State& state) {
  const World& w = state.world;
  std::ostringstream key;
  key << state.mind.fingerprint() << '|' << w.size << w.is_host_lost << w.is_placed << w.is_launcher_alive << w.has_launched
      << w.was_told_to_kill << w.was_forced << w.has_kill_timer << w.has_stack_timer << w.has_grace_timer << w.has_delay
      << w.is_stop_written << w.is_finished << w.lines_of_end << w.launches << '|' << w.newest_line << '|';
  for (const int rank : w.joined) key << rank;
  key << '|';
  for (const int rank : w.ended) key << rank;
  return key.str();
}

/// With nothing but time going by, and processes that die when they are killed: whether the run comes to its end.
bool comes_to_an_end(State state) {
  for (int round = 0; round < 60 && !state.world.is_finished; ++round) {
    const std::vector<std::pair<Event, World>> events = possible(state);
    const auto is_passive = [&](const Event& event) {
      if (std::holds_alternative<event::RankEnded>(event)) return state.world.was_told_to_kill || state.world.was_forced;
      if (const auto* end = std::get_if<event::LauncherEnded>(&event)) return end->wait_status == 0 || state.world.was_forced;
      return std::holds_alternative<event::KillDeadline>(event) || std::holds_alternative<event::StackDeadline>(event) ||
             std::holds_alternative<event::GraceExpired>(event) || std::holds_alternative<event::DelayOver>(event) ||
             std::holds_alternative<event::Placed>(event) || std::holds_alternative<event::AllGone>(event);
    };
    const auto next = std::find_if(events.begin(), events.end(), [&](const auto& one) { return is_passive(one.first); });
    // A healthy attempt with nothing to do may last for ever: it is given a death.
    const Event event = next != events.end() ? next->first : Event{event::LauncherEnded{9}};
    state.world = next != events.end() ? next->second : state.world;
    if (next == events.end()) state.world.is_launcher_alive = false;
    Rules rules{state.world, {}};
    for (const Action& action : state.mind.on(event)) std::visit(rules, action);
  }
  return state.world.is_finished;
}

TEST(Exploration, EverySequenceOfEventsKeepsTheRulesAndComesToAnEnd) {
  std::map<std::string, std::string> seen;  // key of a state -> how it was reached
  std::vector<std::pair<State, std::string>> frontier = {{State{}, ""}};
  std::size_t events = 0;
  int depth = 0;
  for (; depth < kDepth && !frontier.empty(); ++depth) {
    std::vector<std::pair<State, std::string>> next;
    for (const auto& [state, path] : frontier)
      for (const auto& [event, world] : possible(state)) {
        ++events;
        State after = state;
        after.world = world;
        Rules rules{after.world, {}};
        for (const Action& action : after.mind.on(event)) std::visit(rules, action);
        const std::string way = path + " " + std::to_string(event.index());
        ASSERT_EQ(rules.broken, "") << "after events" << way;
        if (!seen.emplace(key_of(after), way).second) continue;
        ASSERT_TRUE(comes_to_an_end(after)) << "after events" << way;
        next.emplace_back(std::move(after), way);
      }
    frontier = std::move(next);
  }
  std::printf("%zu states by %zu events, to a depth of %d\n", seen.size(), events, depth);
  EXPECT_TRUE(frontier.empty()) << "deeper states were not seen";
  EXPECT_GT(seen.size(), 5000U);
}

}  // namespace
}  // namespace holdfast
