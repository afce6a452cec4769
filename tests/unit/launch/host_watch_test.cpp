#include "launch/hosts/host_watch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/unit/base/fake_clock.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

constexpr const char* kHost = "other.example";
constexpr double kLease = 5;

/// Two ranks on a host that is not this one. The agent writes down each question; it fails when there is a file "gone".
class HostWatchTest : public testing::Test {
 protected:
  HostWatchTest() {
    std::ofstream(directory_.path() / "agent") << "#!/bin/sh\ncd " << directory_.path().string() << "\necho >> asked\n! [ -e gone ]\n";
    ::chmod((directory_.path() / "agent").c_str(), 0755);
    watch_.place_ranks();
    watch_.begin_attempt();
    for (const int rank : {0, 1}) watch_.joined(rank, kHost);
  }

  SupervisorOptions options() const {
    SupervisorOptions options{.ranks = 2, .hosts = {{kHost, 2}}, .agent = (directory_.path() / "agent").string()};
    options.restart.lease_seconds = kLease;
    return options;
  }
  void lose_the_host() { std::ofstream(directory_.path() / "gone"); }
  void find_the_host() { std::filesystem::remove(directory_.path() / "gone"); }
  std::ptrdiff_t asked() const {
    std::ifstream file(directory_.path() / "asked");
    return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
  }
  void pass(double seconds) {
    clock_.now += seconds;
    watch_.tick(true);
  }
  /// Until no question is open.
  void hear_answers() {
    EXPECT_TRUE(wait_until([&] {
      int status = 0;
      if (const pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0) watch_.reaped(pid, status);
      return !watch_.is_asking();
    }));
    watch_.tick(true);
  }
  void suspect_both() {
    for (const int rank : {0, 1}) watch_.suspect(rank, "it was silent");
    watch_.tick(true);
  }

  TemporaryDirectory directory_;
  FakeClock clock_;
  SupervisorOptions options_ = options();
  std::vector<event::HostLost> lost_;
  HostWatch watch_{options_, clock_, [this](const Event& event) {
                     if (const auto* lost = std::get_if<event::HostLost>(&event)) lost_.push_back(*lost);
                   }};
};

TEST_F(HostWatchTest, AsksAheadOnceALeaseAndKnowsWhenItIsSuspectedThatTheHostIsLost) {
  lose_the_host();
  clock_.now += watch_.patience_seconds();
  for (const int rank : {0, 1, 0, 1}) watch_.ask_ahead(rank);
  hear_answers();
  for (const int rank : {0, 1}) watch_.ask_ahead(rank);
  hear_answers();
  EXPECT_EQ(asked(), 1);
  EXPECT_TRUE(lost_.empty()) << "nobody suspects it yet";
  pass(kLease - watch_.patience_seconds());
  suspect_both();
  ASSERT_EQ(lost_.size(), 1u);
  EXPECT_EQ(lost_[0].host, kHost);
  EXPECT_EQ(lost_[0].ranks, (std::vector<int>{0, 1}));
  EXPECT_NE(lost_[0].evidence.find("it was silent, and `"), std::string::npos) << lost_[0].evidence;
  EXPECT_EQ(asked(), 1);
}

TEST_F(HostWatchTest, AsksAgainWhereTheAnswerIsOfAnEarlierSilence) {
  lose_the_host();
  watch_.ask_ahead(0);
  hear_answers();
  find_the_host();
  pass(kLease + 1);
  suspect_both();
  hear_answers();
  EXPECT_EQ(asked(), 2);
  EXPECT_TRUE(lost_.empty());
}

TEST_F(HostWatchTest, LosesNoHostThatAnswersWhateverHasBecomeOfItsRanks) {
  watch_.ask_ahead(0);
  hear_answers();
  suspect_both();
  hear_answers();
  EXPECT_EQ(asked(), 2);
  EXPECT_TRUE(lost_.empty());
}

TEST_F(HostWatchTest, HasPatienceUntilAnAnswerWouldJustComeInTime) {
  EXPECT_EQ(watch_.patience_seconds(), kLease - HostProbe::kSeconds);
  options_.restart.lease_seconds = 30;
  EXPECT_EQ(watch_.patience_seconds(), 30 - HostProbe::kSeconds);
  options_.restart.lease_seconds = 2;
  EXPECT_EQ(watch_.patience_seconds(), 1) << "words of a shim may be late";
}

}  // namespace
}  // namespace holdfast
