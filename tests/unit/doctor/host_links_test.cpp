#include "launch/doctor/host_links.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using nlohmann::json;

class HostLinksTest : public testing::Test {
 protected:
  HostLinksTest() {
    const pid_t launcher = ::fork();
    if (launcher == 0) {
      ::setpgid(0, 0);
      for (;;) ::pause();
    }
    ::setpgid(launcher, launcher);
    links_.add(launcher, directory_.path() / "log");
  }
  std::unique_ptr<LineConnection> say(const json& message) {
    auto line = LineConnection::connect(links_.address(), 10);
    line->send(message);
    return line;
  }
  static json hello(const json& token, const json& number) { return {{"hello", {{"token", token}, {"number", number}}}}; }

  TemporaryDirectory directory_;
  SystemClock clock_;
  HostLinks links_{clock_, "secret"};
};

TEST_F(HostLinksTest, AStrangerThatTalksRubbishIsNoAgentAndKeepsNoneAway) {
  std::vector<std::unique_ptr<LineConnection>> strangers;
  for (const json& message : {json{{"hello", 7}}, json{{"no", "hello"}}, hello(7, 0), hello(json::object(), 0), hello("secret", "first"),
                              hello("secret", -1), hello("secret", 1.5), hello("secret", 1), hello("guess", 0), hello("secret", nullptr)})
    strangers.push_back(say(message));
  EXPECT_NO_THROW(links_.wait_for_agents(0.3));
  EXPECT_FALSE(links_.is_there(0));
  const auto agent = say(hello("secret", 0));
  links_.wait_for_agents(30);
  EXPECT_TRUE(links_.is_there(0));
}

TEST_F(HostLinksTest, AnAnswerThatIsRubbishEndsTheWaitForIt) {
  const auto agent = say(hello("secret", 0));
  links_.wait_for_agents(30);
  ASSERT_TRUE(links_.is_there(0));
  const int good = links_.post({0}, {{"ask", "machine"}});
  agent->send({{"number", good}, {"answer", {{"cores", 2}}}});
  EXPECT_EQ(links_.collect(good, 30).at(0).at("cores"), 2);
  const double begin = clock_.seconds();
  const int bad = links_.post({0}, {{"ask", "machine"}});
  agent->send({{"number", "one"}, {"answer", 7}});
  std::map<int, json> answers;
  EXPECT_NO_THROW(answers = links_.collect(bad, 60));
  EXPECT_TRUE(answers.empty());
  EXPECT_LT(clock_.seconds() - begin, 30) << "nothing more is expected of it";
}

}  // namespace
}  // namespace holdfast
