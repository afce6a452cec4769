#include "launch/display.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/unit/launch/outcomes.h"

namespace holdfast {
namespace {

/// What `act` makes a display write on a terminal.
template <typename Act>
std::string drawn(const Act& act) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  {
    Display display(ends[1], /*is_terminal=*/true);
    act(display);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t n = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return text;
}

nlohmann::json status(const nlohmann::json& loss) {
  return {{"global_step", 12}, {"last_step", 100}, {"steps_per_second", 2.5}, {"samples_per_second", 40.0}, {"loss", loss}};
}

TEST(Display, ShowsStepLossAndAttempt) {
  const std::string text = drawn([](Display& display) { display.status(status(0.25), 2, 1); });
  EXPECT_THAT(text, testing::HasSubstr("12/100"));
  EXPECT_THAT(text, testing::HasSubstr("0.25"));
}

TEST(Display, ALossThatIsNotFiniteIsShownAsSuch) {
  const nlohmann::json sent = status(std::numeric_limits<double>::infinity());
  const nlohmann::json received = nlohmann::json::parse(sent.dump());
  ASSERT_TRUE(received["loss"].is_null());
  EXPECT_THAT(drawn([&](Display& display) { display.status(received, 1, 0); }), testing::HasSubstr("nan"));
}

TEST(Display, KnowsWhatItHasJustShownByTheFirstLine) {
  drawn([](Display& display) {
    display.line("12:00 [rank 0] error: it broke");
    EXPECT_TRUE(display.has_just_shown("it broke\n  next: mend it"));
    EXPECT_FALSE(display.has_just_shown("it burnt"));
    for (int i = 0; i < 30; ++i) display.line("a line");
    EXPECT_FALSE(display.has_just_shown("it broke")) << "long ago";
  });
}

TEST(SummaryTable, TellsNoStepsOfAnAttemptThatHasNotResumed) {
  AttemptOutcome outcome = attempt(1, {exited(0, kExitConfiguration, "no such key")}, 40, 40);
  EXPECT_THAT(summary_table({outcome}, {.kind = RestartDecision::Kind::give_up}, 0, 1, {}),
              testing::ContainsRegex("\n +1 +- +- +rank 0 on a: exited with code 78"));
  outcome.has_resumed = true;
  EXPECT_THAT(summary_table({outcome}, {.kind = RestartDecision::Kind::give_up}, 0, 1, {}),
              testing::ContainsRegex("\n +1 +40 +43 +rank 0"));
}

TEST(SummaryTable, CountsWhatIsComputedAgainAfterASupervisorThatWasKilled) {
  AttemptOutcome outcome = attempt(1, {}, 40, 60);
  outcome.has_resumed = outcome.is_done = true;
  EXPECT_THAT(summary_table({outcome}, {.kind = RestartDecision::Kind::done}, 47, 1, {}), testing::HasSubstr(" 7 steps recomputed"));
}

TEST(SummaryTable, TellsNoErrorThatStandsAboveIt) {
  const AttemptOutcome outcome = attempt(1, {exited(0, kExitSoftware, "it broke")});
  EXPECT_THAT(summary_table({outcome}, {.kind = RestartDecision::Kind::give_up}, 0, 1, {}), testing::Not(testing::HasSubstr("it broke")));
  EXPECT_THAT(summary_table({outcome}, {.kind = RestartDecision::Kind::done}, 0, 1, {}), testing::HasSubstr("it broke"));
}

}  // namespace
}  // namespace holdfast
