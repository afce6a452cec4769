#include "launch/hosts/host_probe.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "base/process_files.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

TEST(HostProbe, LeavesNothingBehindOfAQuestionThatIsNotAnswered) {
  const TemporaryDirectory directory;
  const Path agent = directory.path() / "agent", note = directory.path() / "pid";
  std::ofstream(agent) << "#!/bin/sh\nsleep 1000 &\necho $! > " << note.string() << ".new && mv " << note.string() << ".new "
                       << note.string() << "\nwait\n";
  ::chmod(agent.c_str(), 0755);
  pid_t started = 0;
  {
    HostProbe probe(agent.string());
    probe.ask("a", 0);
    ASSERT_TRUE(wait_until([&] { return static_cast<bool>(std::ifstream(note) >> started); }));
    EXPECT_FALSE(process_state(started) == 'Z');
  }
  EXPECT_TRUE(wait_until([&] { return process_state(started) == 'Z'; })) << "what the agent has started";
  ::waitpid(-1, nullptr, 0);
}

}  // namespace
}  // namespace holdfast
