#include "launch/lease/line_connection.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

/// Both ends of a real TCP connection on this host; `raw` is the peer as bare bytes.
class LineConnectionTest : public testing::Test {
 protected:
  LineConnectionTest() {
    peer_ = LineConnection::connect(listener_.address(), 5);
    EXPECT_TRUE(peer_);
    EXPECT_TRUE(wait_until([this] { return (line_ = listener_.accept()) != nullptr; }));
  }
  void say(const std::string& bytes) {
    EXPECT_EQ(::send(peer_->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  std::vector<json> receive() {
    std::vector<json> messages;
    line_->receive([&messages](const json& message) { messages.push_back(message); });
    return messages;
  }
  /// What arrives until `count` messages are there or the connection is closed.
  std::vector<json> receive(std::size_t count) {
    std::vector<json> messages;
    wait_until([&] {
      for (json& message : receive()) messages.push_back(std::move(message));
      return messages.size() >= count || !line_->is_open();
    });
    return messages;
  }
  bool closes() {
    return wait_until([this] {
      receive();
      return !line_->is_open();
    });
  }

  Listener listener_;
  std::unique_ptr<LineConnection> peer_, line_;
};

TEST_F(LineConnectionTest, CarriesObjectsBothWays) {
  peer_->send({{"hello", 1}});
  EXPECT_THAT(receive(1), ElementsAre(json{{"hello", 1}}));
  line_->send({{"command", "welcome"}});
  std::vector<json> answers;
  EXPECT_TRUE(wait_until([&] {
    peer_->receive([&answers](const json& message) { answers.push_back(message); });
    return !answers.empty();
  }));
  EXPECT_THAT(answers, ElementsAre(json{{"command", "welcome"}}));
}

TEST_F(LineConnectionTest, PutsALineTogetherFromItsPieces) {
  say("{\"a\"");
  say(": 1}\n{\"b\": 2");
  EXPECT_THAT(receive(1), ElementsAre(json{{"a", 1}}));
  EXPECT_THAT(receive(), IsEmpty());
  say("}\n");
  EXPECT_THAT(receive(1), ElementsAre(json{{"b", 2}}));
  EXPECT_TRUE(line_->is_open());
}

TEST_F(LineConnectionTest, HandsOutEveryLineOfOneRead) {
  say("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
  EXPECT_THAT(receive(3), ElementsAre(json{{"a", 1}}, json{{"a", 2}}, json{{"a", 3}}));
}

class Rubbish : public LineConnectionTest, public testing::WithParamInterface<const char*> {};

TEST_P(Rubbish, ClosesTheConnectionAndIsNotHandedOut) {
  say(std::string("{\"a\":1}\n") + GetParam() + "\n{\"a\":2}\n");
  EXPECT_THAT(receive(2), ElementsAre(json{{"a", 1}}));
  EXPECT_FALSE(line_->is_open());
}

INSTANTIATE_TEST_SUITE_P(LineConnection, Rubbish,
                         testing::Values("GET / HTTP/1.0\r", "[1]", "7", "null", "", "{\"a\":", "{} {}", "{\"a\":\"\xff\"}"));

TEST_F(LineConnectionTest, ClosesAtALineThatNeverEnds) {
  for (int i = 0; i < 5; ++i) say(std::string(16 << 10, 'x'));
  EXPECT_TRUE(closes());
}

TEST_F(LineConnectionTest, ClosesAtALineOfMoreThan64KiBThoughItEnds) {
  say("{\"a\":\"" + std::string(64 << 10, 'x') + "\"}\n");
  EXPECT_EQ(receive(1).size(), 0u);
  EXPECT_FALSE(line_->is_open());
}

TEST_F(LineConnectionTest, TakesALineOfAlmost64KiB) {
  say("{\"a\":\"" + std::string((64 << 10) - 8, 'x') + "\"}\n");
  EXPECT_EQ(receive(1).size(), 1u);
  EXPECT_TRUE(line_->is_open());
}

TEST_F(LineConnectionTest, TakesManyLinesThatTogetherAreMore) {
  std::string all;
  for (int i = 0; i < 3000; ++i) all += "{\"text\":\"" + std::string(50, 'x') + "\"}\n";
  say(all);
  EXPECT_EQ(receive(3000).size(), 3000u);
  EXPECT_TRUE(line_->is_open());
}

TEST_F(LineConnectionTest, HandsOutWhatCameBeforeThePeerClosed) {
  peer_->send({{"exit", 3}});
  peer_.reset();
  EXPECT_THAT(receive(2), ElementsAre(json{{"exit", 3}}));
  EXPECT_FALSE(line_->is_open());
}

TEST_F(LineConnectionTest, IsClosedBySendingToAPeerThatIsGone) {
  peer_.reset();
  EXPECT_TRUE(wait_until([this] {
    line_->send({{"command", "ping"}});
    return !line_->is_open();
  }));
}

TEST_F(LineConnectionTest, KeepsWhatTheSocketDoesNotTakeAndSendsItLater) {
  const int small = 4096;
  ::setsockopt(peer_->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  constexpr int kMessages = 100;
  for (int i = 0; i < kMessages; ++i) peer_->send({{"number", i}, {"text", std::string(8000, 'x')}});
  ASSERT_TRUE(peer_->is_open());
  std::vector<json> messages;
  EXPECT_TRUE(wait_until([&] {
    peer_->receive([](const json&) {});
    for (json& message : receive()) messages.push_back(std::move(message));
    return messages.size() == kMessages;
  }));
  for (int i = 0; i < kMessages; ++i) EXPECT_EQ(messages.at(static_cast<std::size_t>(i))["number"], i);
}

TEST_F(LineConnectionTest, TakesAPeerForDeadThatDoesNotReadWhileAMebibyteWaits) {
  const json message = {{"text", std::string(60000, 'x')}};
  int sent = 0;
  for (; sent < 1000 && peer_->is_open(); ++sent) peer_->send(message);
  EXPECT_FALSE(peer_->is_open());
  EXPECT_GE(sent, 17) << "a mebibyte waits";
}

TEST_F(LineConnectionTest, ReplacesBytesThatAreNoText) {
  peer_->send({{"log", "caf\xe9"}});
  EXPECT_THAT(receive(1), ElementsAre(json{{"log", "caf\uFFFD"}}));
}

TEST(Listener, GivesNothingWhenNobodyWaits) { EXPECT_EQ(Listener().accept(), nullptr); }

TEST(Listener, IsHeardOnThisHostOnly) { EXPECT_TRUE(Listener().address().starts_with("127.0.0.1:")); }

TEST(Connect, GivesNothingWhereNobodyListens) {
  std::string address;
  {
    const Listener closed;
    address = closed.address();
  }
  EXPECT_EQ(LineConnection::connect(address, 5), nullptr);
  EXPECT_EQ(LineConnection::connect("127.0.0.1", 5), nullptr) << "without a port";
  EXPECT_EQ(LineConnection::connect("127.0.0.1:port", 5), nullptr);
}

}  // namespace
}  // namespace holdfast
