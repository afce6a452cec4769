#include "launch/display.h"

#include <gmock/gmock.h>
#include <unistd.h>

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

}  // namespace
}  // namespace holdfast
