#include "launch/chaos/verdict.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/unit/launch/outcomes.h"

namespace holdfast {
namespace {

using nlohmann::json;

const Fault& fault_named(std::string_view name) {
  for (const Fault& fault : faults())
    if (fault.name == name) return fault;
  throw std::logic_error("no such fault");
}

Strike struck(std::string_view name, std::set<int> ranks = {}, int signal = 0) {
  return {.fault = &fault_named(name), .ranks = std::move(ranks), .signal = signal};
}

json ended(const std::optional<ExitRecord>& cause, const std::string& reason = "why") {
  return {{"event", "attempt_ended"}, {"cause", cause ? to_json(*cause) : json()}, {"reason", reason}};
}

TEST(Verdict, ADeathIsCalledRightByRankAndSignalAlone) {
  const Strike strike = struck("kill_rank", {1}, SIGKILL);
  EXPECT_FALSE(judge(strike, {}, 1));
  EXPECT_TRUE(judge(strike, {ended(killed(1, SIGKILL))}, 1)->is_right);
  EXPECT_FALSE(judge(strike, {ended(killed(0, SIGKILL))}, 1)->is_right);
  EXPECT_FALSE(judge(strike, {ended(killed(1, SIGSEGV))}, 1)->is_right);
  EXPECT_FALSE(judge(strike, {ended(lost_shim(1))}, 1)->is_right);
  EXPECT_FALSE(judge(strike, {ended(std::nullopt)}, 1)->is_right);
  EXPECT_FALSE(judge(strike, {}, 100)->is_right) << "not noticed";
}

TEST(Verdict, AHangIsNoDeath) {
  ExitRecord hung = killed(1, SIGKILL);
  hung.is_hung = true;
  EXPECT_TRUE(judge(struck("stop_rank", {1}, SIGSTOP), {ended(hung)}, 1)->is_right);
  EXPECT_FALSE(judge(struck("stop_rank", {1}, SIGSTOP), {ended(killed(1, SIGKILL))}, 1)->is_right);
  EXPECT_FALSE(judge(struck("kill_rank", {1}, SIGKILL), {ended(hung)}, 1)->is_right);
  EXPECT_TRUE(judge(struck("kill_shim", {1}, SIGKILL), {ended(lost_shim(1))}, 1)->is_right);
}

TEST(Verdict, NothingIsNothing) {
  EXPECT_FALSE(judge(struck("stranger"), {}, 1));
  EXPECT_TRUE(judge(struck("stranger"), {}, 3)->is_right);
  EXPECT_FALSE(judge(struck("stranger"), {ended(killed(0, SIGKILL))}, 3)->is_right);
  EXPECT_TRUE(judge(struck("stop_mpirun"), {{{"event", "launcher_stopped"}}}, 1)->is_right);
}

TEST(Verdict, TheNextSupervisorSpeaksForTheOneThatWasKilled) {
  EXPECT_FALSE(judge(struck("kill_supervisor"), {}, 1));
  EXPECT_TRUE(judge(struck("kill_supervisor"), {{{"event", "run_started"}}}, 1)->is_right);
  EXPECT_TRUE(judge(struck("preempt"), {ended(std::nullopt, "stopped on request; start it again to go on")}, 1)->is_right);
  EXPECT_FALSE(judge(struck("preempt"), {ended(killed(0, SIGKILL))}, 1)->is_right);
}

TEST(Verdict, AnAttemptThatGoesOnFromLessThanWasDurableIsFound) {
  const auto line = [](const char* event, int attempt, const char* key, int step) {
    return json{{"event", event}, {"attempt", attempt}, {key, step}};
  };
  EXPECT_EQ(attempts_that_fell_back({line("attempt_started", 1, "durable_step", -1), line("resumed", 1, "step", -1),
                                     line("attempt_started", 2, "durable_step", 40), line("resumed", 2, "step", 20),
                                     line("attempt_started", 3, "durable_step", 40), line("resumed", 3, "step", 40)}),
            std::vector<int>{2});
}

}  // namespace
}  // namespace holdfast
