#include "launch/hooks/descendants.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <thread>
#include <vector>

#include "base/process_files.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

std::vector<pid_t> descendants_but(const std::set<pid_t>& spared) {
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : process_ids()) children.emplace(parent_of(pid), pid);
  std::vector<pid_t> found = {::getpid()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = children.equal_range(found[i]);
    for (auto child = first; child != last; ++child)
      if (!spared.contains(child->second)) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

/// True: there is no child.
bool reap() {
  for (;;) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid == 0 || (pid < 0 && errno != EINTR)) return pid < 0;
  }
}

}  // namespace

void adopt_orphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

std::size_t kill_descendants_but(const std::set<pid_t>& spared) {
  const std::vector<pid_t> found = descendants_but(spared);
  for (const pid_t pid : found) ::kill(pid, SIGKILL);
  return found.size();
}

bool end_descendants(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!reap()) {
    if (std::chrono::steady_clock::now() > end) return false;
    kill_descendants_but({});
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

}  // namespace holdfast
