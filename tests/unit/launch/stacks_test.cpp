#include "launch/stacks.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "launch/stack_taker.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

/// Exported, so that its name is known outside.
extern "C" [[gnu::noinline]] void holdfast_test_waits_here() {
  for (;;) ::pause();
}

class Child {
 public:
  Child() : pid_(::fork()) {
    if (pid_ == 0) holdfast_test_waits_here();
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

std::string text_of(const Path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Until the child is where it waits.
void wait_for_state(pid_t pid, char state) {
  while (!state_of_process(pid).starts_with(state)) ::usleep(1000);
}

TEST(Stacks, TellWhereAStoppedProcessIsWithoutItsHelp) {
  const Child child;
  wait_for_state(child.pid(), 'S');
  ::kill(child.pid(), SIGSTOP);
  wait_for_state(child.pid(), 'T');
  const Path path = testing::TempDir() + "stacks.txt";
  ASSERT_TRUE(write_stacks(child.pid(), path));
  EXPECT_THAT(text_of(path), HasSubstr("state T (stopped)"));
  EXPECT_THAT(text_of(path), HasSubstr("holdfast_test_waits_here"));
  EXPECT_THAT(innermost_functions(path, 3), HasSubstr("holdfast_test_waits_here"));
  wait_for_state(child.pid(), 'T');  // as it was
}

TEST(Stacks, SayWhatCannotBeRead) {
  pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ::waitpid(gone, nullptr, 0);
  const Path path = testing::TempDir() + "none.txt";
  ASSERT_TRUE(write_stacks(gone, path));
  EXPECT_THAT(text_of(path), HasSubstr("its stacks cannot be read: "));
  EXPECT_EQ(innermost_functions(path, 3), "");
  EXPECT_FALSE(write_stacks(gone, "/no/such/folder/stacks.txt"));
}

TEST(StackTaker, AnswersOnce) {
  const Child child;
  wait_for_state(child.pid(), 'S');
  StackTaker taker;
  EXPECT_FALSE(taker.take(0));
  const Path path = testing::TempDir() + "taken.txt";
  taker.start(child.pid(), path, 0);
  std::optional<nlohmann::json> taken;
  while (!taken) {
    ::usleep(1000);
    taken = taker.take(0);
  }
  EXPECT_THAT(taken->at("state").get<std::string>(), HasSubstr("S (sleeping)"));
  EXPECT_THAT(taken->at("functions").get<std::string>(), HasSubstr("holdfast_test_waits_here"));
  EXPECT_EQ(taken->at("file"), path.string());
  EXPECT_FALSE(taker.take(100));
}

}  // namespace
}  // namespace holdfast
