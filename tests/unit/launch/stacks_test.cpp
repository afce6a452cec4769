#include "launch/watch/stacks.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "launch/watch/stack_taker.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/base/wait_until.h"

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
  ASSERT_TRUE(wait_until([&] { return state_of_process(pid).starts_with(state); })) << state_of_process(pid);
}

TEST(Stacks, TellWhereAStoppedProcessIsWithoutItsHelp) {
  const Child child;
  wait_for_state(child.pid(), 'S');
  ::kill(child.pid(), SIGSTOP);
  wait_for_state(child.pid(), 'T');
  const TemporaryDirectory directory;
  const Path path = directory.path() / "stacks.txt";
  ASSERT_TRUE(write_stacks(child.pid(), path));
  EXPECT_THAT(text_of(path), HasSubstr("state T (stopped)"));
  EXPECT_THAT(text_of(path), HasSubstr("holdfast_test_waits_here"));
  EXPECT_THAT(innermost_functions(path, 3), HasSubstr("holdfast_test_waits_here"));
  wait_for_state(child.pid(), 'T');  // as it was
}

TEST(Stacks, NameAFunctionWithoutWhatMakesItLong) {
  EXPECT_EQ(function_name("main"), "main");
  EXPECT_EQ(function_name("holdfast::(anonymous namespace)::MpiCommunicator::finish(unsigned long)"), "holdfast::MpiCommunicator::finish");
  EXPECT_EQ(function_name("std::_Function_handler<at::Tensor (at::Tensor const&), Hook>::_M_invoke(std::_Any_data const&)"),
            "std::_Function_handler::_M_invoke");
  EXPECT_EQ(function_name("holdfast::Hook::operator()(at::Tensor) const"), "holdfast::Hook::operator()");
  EXPECT_EQ(function_name("holdfast::train(int)::{lambda(int)#1}::operator()(int) const"), "holdfast::train");
}

TEST(Stacks, SayWhatCannotBeRead) {
  pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ::waitpid(gone, nullptr, 0);
  const TemporaryDirectory directory;
  const Path path = directory.path() / "none.txt";
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
  const TemporaryDirectory directory;
  const Path path = directory.path() / "taken.txt";
  taker.start(child.pid(), path, 0);
  std::optional<nlohmann::json> taken;
  ASSERT_TRUE(wait_until([&] { return (taken = taker.take(0)).has_value(); }));
  EXPECT_THAT(taken->at("state").get<std::string>(), HasSubstr("S (sleeping)"));
  EXPECT_THAT(taken->at("functions").get<std::string>(), HasSubstr("holdfast_test_waits_here"));
  EXPECT_EQ(taken->at("file"), path.string());
  EXPECT_FALSE(taker.take(100));
}

TEST(StackTaker, EndsWithItsShim) {
  const Child child;
  const TemporaryDirectory directory;
  const Path pipe = directory.path() / "nobody-reads";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);  // whoever opens it to write waits
  int held[2];                                 // by the shim and by what it starts
  ASSERT_EQ(::pipe2(held, O_CLOEXEC), 0);
  const pid_t shim = ::fork();
  if (shim == 0) {
    ::close(held[0]);
    StackTaker taker;
    taker.start(child.pid(), pipe, 0);
    [[maybe_unused]] const ssize_t n = ::write(held[1], "x", 1);
    for (;;) ::pause();
  }
  ::close(held[1]);
  char byte = 0;
  ASSERT_EQ(::read(held[0], &byte, 1), 1);
  ::kill(shim, SIGKILL);
  ASSERT_EQ(::waitpid(shim, nullptr, 0), shim);
  pollfd waiting{.fd = held[0], .events = POLLIN, .revents = 0};
  constexpr int kMilliseconds = 30'000;
  ASSERT_EQ(::poll(&waiting, 1, kMilliseconds), 1) << "somebody has it open still";
  EXPECT_EQ(::read(held[0], &byte, 1), 0);
  ::close(held[0]);
}

}  // namespace
}  // namespace holdfast
