#include "base/process_files.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

/// A process of its own for as long as a test lasts.
class Started {
 public:
  /// `words` and `variables` end with nullptr; words[0] is the whole path.
  Started(std::vector<const char*> words, std::vector<const char*> variables) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also one that starts itself for ever ends with a test that is killed
    ::execve(words[0], const_cast<char**>(words.data()), const_cast<char**>(variables.data()));
    ::_exit(1);
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;
  ~Started() { end(); }
  void end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(ProcessFiles, TellTheEnvironmentThatAProcessWasStartedWith) {
  Started sleep({"/bin/sleep", "100", nullptr}, {"NOT_A=x", "A=", "B=b=c", nullptr});
  const pid_t pid = sleep.pid();
  EXPECT_TRUE(wait_until([pid] { return process_file(pid, "comm") == "sleep\n"; }));
  EXPECT_EQ(environment_value(pid, "A"), "");
  EXPECT_EQ(environment_value(pid, "B"), "b=c");
  EXPECT_EQ(environment_value(pid, "C"), std::nullopt);
  sleep.end();
  EXPECT_EQ(environment_value(pid, "A"), std::nullopt) << "it is gone";
  EXPECT_EQ(text_of_file("/no/such/file"), "");
  EXPECT_EQ(text_of_file("/proc/self/mem"), "") << "can be opened; to read it from its beginning is an error";
}

TEST(ProcessFiles, TellTheEnvironmentOfAProcessThatIsInExecve) {
  const std::string large = "LARGE=" + std::string(60'000, 'x');  // is read in pieces; the shell puts it anywhere between the others
  const Started again({"/bin/sh", "-c", "exec /bin/sh -c \"$AGAIN\"", nullptr},
                      {"AGAIN=exec /bin/sh -c \"$AGAIN\"", "A=a", "B=b", large.c_str(), "C=c", "D=d", nullptr});
  EXPECT_TRUE(wait_until([&again] { return environment_value(again.pid(), "AGAIN").has_value(); }));
  int empty = 0, cut_short = 0, missed = 0;
  wait_until(
      [&] {
        const std::string text = process_file(again.pid(), "environ");
        empty += text.empty();
        cut_short += !text.empty() && text.back() != '\0';
        for (const char* variable : {"A", "B", "C", "D", "LARGE"}) missed += !environment_value(again.pid(), variable);
        return empty >= 10 && cut_short >= 3;
      },
      3);
  EXPECT_EQ(missed, 0) << "a sweep would have left it alive";
  EXPECT_GT(empty + cut_short, 0) << "no look has met it in execve";
}

TEST(ProcessFiles, TellAtOnceThatThereIsNoEnvironment) {
  const Started empty({"/bin/sleep", "100", nullptr}, {nullptr}), zombie({"/bin/sleep", "100", nullptr}, {"A=a", nullptr});
  EXPECT_TRUE(wait_until([&empty] { return process_file(empty.pid(), "comm") == "sleep\n"; }));
  ::kill(zombie.pid(), SIGKILL);
  EXPECT_TRUE(wait_until([&zombie] { return process_state(zombie.pid()) == 'Z'; }));
  for (const pid_t pid : {empty.pid(), zombie.pid()}) {
    const SystemClock clock;
    const double begin = clock.seconds();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(environment_value(pid, "A"), std::nullopt);
    EXPECT_LT(clock.seconds() - begin, 10) << "20 s, were each waited for as if it were in execve";
  }
}

TEST(ProcessFiles, TellTheMemoryThatIsOfAProcessAlone) {
  const std::int64_t before = private_bytes(::getpid());
  EXPECT_GT(before, 0);
  std::vector<char> block(256 << 20, 'x');
  EXPECT_GE(private_bytes(::getpid()), before + (192 << 20)) << "less: pages of libraries that another process has come to share";
  EXPECT_EQ(block.back(), 'x');
  EXPECT_EQ(private_bytes(-1), 0) << "there is none";
}

}  // namespace
}  // namespace holdfast
