#include "launch/lease/leases.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <list>

#include "tests/unit/base/fake_clock.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kToken = "11112222333344445555666677778888";
constexpr int kAttempt = 3;

json hello(int rank, const std::string& token = kToken, int attempt = kAttempt) {
  return {{"hello", {{"token", token}, {"attempt", attempt}, {"rank", rank}, {"host", "a"}, {"pid", 1}}}};
}

/// A shim's end, and all that it was told.
struct FakeShim {
  std::unique_ptr<LineConnection> line;
  std::vector<json> told;
  void read() {
    line->receive([this](const json& message) { told.push_back(message); });
  }
  bool is_dropped() {
    read();
    return !line->is_open();
  }
};

class LeasesTest : public testing::Test {
 protected:
  FakeShim shim(const json& first) {
    FakeShim made{.line = LineConnection::connect(leases_.address(), 5)};
    EXPECT_TRUE(made.line);
    made.line->send(first);
    return made;
  }
  FakeShim joined_shim(int rank) {
    FakeShim made = shim(hello(rank));
    const std::size_t before = happened_.size();
    EXPECT_TRUE(until([&] { return happened_.size() > before; })) << "rank " << rank << " does not join";
    return made;
  }
  bool until(const std::function<bool()>& is_true) {
    return wait_until([&] {
      leases_.take_messages(kAttempt);
      return is_true();
    });
  }

  FakeClock clock_;
  std::vector<std::string> happened_;
  Leases leases_{
      clock_,
      kToken,
      {.joined = [this](int rank, const std::string&) { happened_.push_back("joined " + std::to_string(rank)); },
       .said =
           [this](int rank, const json& message) {
             if (message.contains("throw")) (void)message.at("nothing");
             happened_.push_back(std::to_string(rank) + " said " + message.dump());
           },
       .lost = [this](int rank, const std::string& host) { happened_.push_back("lost " + std::to_string(rank) + " on " + host); }}};
};

TEST_F(LeasesTest, WelcomesAShimThatKnowsTheToken) {
  FakeShim rank2 = joined_shim(2);
  EXPECT_THAT(happened_, ElementsAre("joined 2"));
  EXPECT_TRUE(until([&] {
    rank2.read();
    return !rank2.told.empty();
  }));
  EXPECT_THAT(rank2.told, ElementsAre(json{{"command", "welcome"}}));
  EXPECT_EQ(leases_.connected(), 1);
}

struct Stranger {
  const char* name;
  json first;
};

class Strangers : public LeasesTest, public testing::WithParamInterface<Stranger> {};

TEST_P(Strangers, AreDroppedAreToldNothingAndChangeNothing) {
  FakeShim known = joined_shim(0);
  FakeShim stranger = shim(GetParam().first);
  stranger.line->send({{"exit", {{"rank", 0}}}});
  EXPECT_TRUE(until([&] { return stranger.is_dropped(); }));
  EXPECT_THAT(stranger.told, IsEmpty());
  EXPECT_THAT(happened_, ElementsAre("joined 0"));
  EXPECT_EQ(leases_.connected(), 1);
  EXPECT_FALSE(leases_.have_all_ended());
  EXPECT_FALSE(known.is_dropped());
}

INSTANTIATE_TEST_SUITE_P(Leases, Strangers,
                         testing::Values(Stranger{"WithAnotherToken", hello(0, "11112222333344445555666677778889")},
                                         Stranger{"WithNoToken", hello(0, "")},
                                         Stranger{"OfAnEarlierAttempt", hello(0, kToken, kAttempt - 1)},
                                         Stranger{"OfNoAttempt", {{"hello", {{"token", kToken}}}}},
                                         Stranger{"WithoutAHost", {{"hello", {{"token", kToken}, {"attempt", kAttempt}, {"rank", 1}}}}},
                                         Stranger{"WithoutAHello", {{"status", {{"global_step", 900}}}}},
                                         Stranger{"WithAHelloThatIsText", {{"hello", kToken}}}),
                         [](const auto& one) { return one.param.name; });

TEST_F(LeasesTest, AConnectionThatSaysNothingHasFiveSeconds) {
  FakeShim silent{.line = LineConnection::connect(leases_.address(), 5)};
  FakeShim known = joined_shim(0);  // the silent one was accepted before it
  clock_.now += 5;
  leases_.take_messages(kAttempt);
  EXPECT_FALSE(silent.is_dropped());
  clock_.now += 0.1;
  leases_.take_messages(kAttempt);
  EXPECT_TRUE(wait_until([&] { return silent.is_dropped(); }));
  EXPECT_FALSE(known.is_dropped()) << "who has shown the token may be silent";
  EXPECT_THAT(happened_, ElementsAre("joined 0"));
}

TEST_F(LeasesTest, AStrangerHearsNoCommand) {
  FakeShim stranger{.line = LineConnection::connect(leases_.address(), 5)};
  FakeShim known = joined_shim(0);
  leases_.tell("stop");
  EXPECT_TRUE(wait_until([&] {
    known.read();
    return known.told.size() == 2;
  }));
  stranger.read();
  EXPECT_THAT(stranger.told, IsEmpty());
}

TEST_F(LeasesTest, TellsEveryRank) {
  std::vector<FakeShim> shims;
  for (const int rank : {0, 1, 2}) shims.push_back(joined_shim(rank));
  leases_.tell("kill");
  for (FakeShim& one : shims) {
    EXPECT_TRUE(wait_until([&] {
      one.read();
      return one.told.size() == 2;
    }));
    EXPECT_THAT(one.told, Contains(json{{"command", "kill"}}));
  }
}

TEST_F(LeasesTest, HandOutWhatAShimSaysWithItsRank) {
  FakeShim rank1 = joined_shim(1);
  rank1.line->send({{"log", "a line"}});
  EXPECT_TRUE(until([&] { return happened_.size() == 2; }));
  EXPECT_EQ(happened_[1], R"(1 said {"log":"a line"})");
}

TEST_F(LeasesTest, NameTheRankAndHostOfAShimThatIsGoneWithoutARecord) {
  FakeShim rank0 = joined_shim(0), rank1 = joined_shim(1);
  rank1.line.reset();
  EXPECT_TRUE(until([&] { return leases_.connected() == 1; }));
  EXPECT_EQ(happened_.back(), "lost 1 on a");
  EXPECT_EQ(happened_.size(), 3u);
}

TEST_F(LeasesTest, NameTheOneThatWentFirstFirstThoughBothAreFoundGoneAtOnce) {
  FakeShim rank0 = joined_shim(0), rank1 = joined_shim(1);
  for (FakeShim* shim : {&rank0, &rank1})
    EXPECT_TRUE(wait_until([&] {
      shim->read();
      return !shim->told.empty();
    }));
  rank1.line.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  rank0.line.reset();
  EXPECT_TRUE(until([&] { return leases_.connected() == 0; }));
  EXPECT_THAT(happened_, ElementsAre("joined 0", "joined 1", "lost 1 on a", "lost 0 on a"));
}

TEST_F(LeasesTest, AreSilentOfAShimThatGoesAfterItsRecord) {
  FakeShim rank0 = joined_shim(0);
  rank0.line->send({{"exit", {{"rank", 0}}}});
  rank0.line.reset();
  EXPECT_TRUE(until([&] { return leases_.connected() == 0; }));
  EXPECT_THAT(happened_, ElementsAre("joined 0", R"(0 said {"exit":{"rank":0}})"));
}

TEST_F(LeasesTest, BreakAtRubbishFromAShimThatIsKnown) {
  FakeShim rank0 = joined_shim(0), rank1 = joined_shim(1);
  rank0.line->send({{"throw", true}});
  EXPECT_TRUE(until([&] { return rank0.is_dropped(); }));
  EXPECT_EQ(happened_.back(), "lost 0 on a");
  const std::string rubbish = "rubbish\n";
  ASSERT_EQ(::send(rank1.line->fd(), rubbish.data(), rubbish.size(), MSG_NOSIGNAL), static_cast<ssize_t>(rubbish.size()));
  EXPECT_TRUE(until([&] { return rank1.is_dropped(); }));
  EXPECT_EQ(happened_.back(), "lost 1 on a");
}

TEST_F(LeasesTest, KnowWhenEveryRankHasSentItsRecord) {
  FakeShim rank0 = joined_shim(0), rank1 = joined_shim(1);
  rank0.line->send({{"exit", {{"rank", 0}}}});
  EXPECT_TRUE(until([&] { return happened_.size() == 3; }));
  EXPECT_FALSE(leases_.have_all_ended());
  rank1.line->send({{"exit", {{"rank", 1}}}});
  EXPECT_TRUE(until([&] { return happened_.size() == 4; }));
  EXPECT_TRUE(leases_.have_all_ended());
  EXPECT_EQ(leases_.connected(), 2) << "they wait to be released";
}

/// With a limit, as a supervisor has it.
class LimitedLeasesTest : public testing::Test {
 protected:
  void take() { leases_.take_messages(kAttempt); }
  bool until(const std::function<bool()>& is_true) {
    return wait_until([&] {
      take();
      return is_true();
    });
  }
  /// As the ticks of a supervisor that runs.
  void pass(double seconds) {
    for (double left = seconds; left > 0; left -= 0.5) {
      clock_.now += std::min(left, 0.5);
      take();
    }
  }
  FakeClock clock_;
  std::vector<std::string> happened_;
  Leases leases_{clock_,
                 kToken,
                 {.joined = [this](int, const std::string& host) { happened_.push_back("joined on " + host); },
                  .said = [this](int, const json& message) { happened_.push_back(message.begin().key()); },
                  .lost = [this](int, const std::string&) { happened_.push_back("lost"); },
                  .silent = [this](int, const std::string& host, double) { happened_.push_back("silent on " + host); }},
                 {Reach::every_host, 5}};
};

TEST_F(LimitedLeasesTest, EndWithAShimThatIsSilentThoughItsConnectionStands) {
  const auto shim = LineConnection::connect(leases_.address(), 5);
  shim->send(hello(0));
  EXPECT_TRUE(until([&] { return happened_.size() == 1; }));
  pass(5);
  EXPECT_THAT(happened_, ElementsAre("joined on a"));
  EXPECT_THAT(leases_.silent_for(5), ElementsAre(0));
  EXPECT_THAT(leases_.silent_for(5.5), IsEmpty());
  shim->send({{"log", "a line"}});
  EXPECT_TRUE(until([&] { return happened_.size() == 2; }));
  pass(5);
  EXPECT_EQ(happened_.size(), 2u) << "the limit runs from the last word";
  pass(0.5);
  EXPECT_THAT(happened_, ElementsAre("joined on a", "log", "silent on a"));
  EXPECT_EQ(leases_.connected(), 0);
}

TEST_F(LimitedLeasesTest, LastWhereTheSupervisorItselfStoodStill) {
  const auto shim = LineConnection::connect(leases_.address(), 5);
  shim->send(hello(0));
  EXPECT_TRUE(until([&] { return happened_.size() == 1; }));
  clock_.now += 60;
  take();
  EXPECT_THAT(happened_, ElementsAre("joined on a"));
  shim->send({{"log", "written while it stood still"}});
  EXPECT_TRUE(until([&] { return happened_.size() == 2; }));
  pass(4);
  EXPECT_THAT(happened_, ElementsAre("joined on a", "log"));
}

TEST_F(LimitedLeasesTest, OfAShimThatHasSentItsRecordEndWithItsConnection) {
  const auto shim = LineConnection::connect(leases_.address(), 5);
  shim->send(hello(0));
  shim->send({{"exit", {{"rank", 0}}}});
  EXPECT_TRUE(until([&] { return happened_.size() == 2; }));
  pass(20);
  EXPECT_THAT(happened_, ElementsAre("joined on a", "exit"));
}

TEST_F(LeasesTest, AreOneFileToPollThatEveryConnectionMakesReadable) {
  std::vector<pollfd> waiting;
  leases_.add_to(waiting);
  ASSERT_EQ(waiting.size(), 1u);
  const auto is_readable = [&](int milliseconds) { return ::poll(waiting.data(), waiting.size(), milliseconds) == 1; };
  EXPECT_FALSE(is_readable(0));
  FakeShim rank0 = shim(hello(0));
  EXPECT_TRUE(is_readable(5000)) << "somebody calls";
  FakeShim rank1 = joined_shim(1);
  EXPECT_FALSE(is_readable(0));
  for (FakeShim* one : {&rank0, &rank1}) {
    one->line->send({{"log", "a line"}});
    EXPECT_TRUE(is_readable(5000));
    leases_.take_messages(kAttempt);
    EXPECT_FALSE(is_readable(0));
  }
  rank1.line.reset();
  EXPECT_TRUE(is_readable(5000)) << "its end is gone";
  leases_.take_messages(kAttempt);
  EXPECT_FALSE(is_readable(0)) << "who is gone is not asked again";
  EXPECT_EQ(leases_.connected(), 1);
}

TEST_F(LeasesTest, KnowTheHostsOfThoseWhoAreConnected) {
  FakeShim rank0 = joined_shim(0), rank2 = joined_shim(2);
  EXPECT_EQ(leases_.hosts(), (std::map<int, std::string>{{0, "a"}, {2, "a"}}));
}

TEST_F(LeasesTest, TakeManyWhoCallAtOnceBeforeAnybodyHasListened) {
  constexpr int kShims = 300;  // more than the 128 that a listener keeps waiting where nobody asks for more
  std::list<FakeShim> shims;
  for (int rank = 0; rank < kShims; ++rank) {
    shims.push_back({.line = LineConnection::connect(leases_.address(), 1)});
    ASSERT_TRUE(shims.back().line) << "the call of rank " << rank << " is not taken";
    shims.back().line->send(hello(rank));
  }
  EXPECT_TRUE(until([&] { return leases_.connected() == kShims; }));
}

}  // namespace
}  // namespace holdfast
