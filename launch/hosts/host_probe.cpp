#include "launch/hosts/host_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/environment.h"
#include "base/exec_array.h"

namespace holdfast {
namespace {

/// mpirun's agents may be several with options, "ssh -p 22 : rsh": the first counts.
std::vector<std::string> words_of(const std::string& agents) {
  std::string first;
  std::getline(std::istringstream(agents), first, ':');
  std::istringstream words(first);
  std::vector<std::string> found;
  for (std::string word; words >> word;) found.push_back(word);
  return found;
}

}  // namespace

HostProbe::HostProbe(const std::string& agent)
    : words_(words_of(agent.empty() ? environment::get("OMPI_MCA_plm_rsh_agent").value_or("") : agent)) {
  if (words_.empty() && environment::get("SLURM_JOB_ID"))
    words_ = {"srun", "--overlap", "--quiet", "-N1", "-n1", "-w"};
  else if (words_.empty())
    words_ = {"ssh", "-o", "BatchMode=yes", "-o", fmt::format("ConnectTimeout={:.0f}", kSeconds)};
}

HostProbe::~HostProbe() {
  for (const auto& [pid, question] : asking_) ::kill(-pid, SIGKILL);  // with what the agent has started
}

void HostProbe::ask(const std::string& host, double now, double seconds) {
  if (std::any_of(asking_.begin(), asking_.end(), [&](const auto& one) { return one.second.host == host; })) return;
  std::vector<std::string> words = words_;
  words.insert(words.end(), {host, "true"});
  const std::vector<char*> arguments = exec_array(words);
  const pid_t pid = ::fork();
  if (pid < 0) return answered_.push_back({host, true});  // no process left here: that says nothing of the host
  if (pid > 0) {
    ::setpgid(pid, pid);  // whoever of the two comes first
    asking_[pid] = {host, now + seconds};
    return;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);  // Ctrl-C is the supervisor's alone
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

void HostProbe::reap() {
  std::vector<std::pair<pid_t, int>> ended;
  for (const auto& [pid, question] : asking_)
    if (int status = 0; ::waitpid(pid, &status, WNOHANG) == pid) ended.emplace_back(pid, status);
  for (const auto& [pid, status] : ended) reaped(pid, status);
}

void HostProbe::reaped(pid_t pid, int wait_status) {
  const auto found = asking_.find(pid);
  if (found == asking_.end()) return;
  answered_.push_back({found->second.host, WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0});
  asking_.erase(found);
}

std::vector<HostProbe::Answer> HostProbe::answers(double now) {
  for (auto one = asking_.begin(); one != asking_.end();) {
    if (now < one->second.until) {
      ++one;
      continue;
    }
    ::kill(-one->first, SIGKILL);
    answered_.push_back({one->second.host, false});
    one = asking_.erase(one);
  }
  return std::exchange(answered_, {});
}

std::string HostProbe::command_for(const std::string& host) const { return fmt::format("{} {} true", fmt::join(words_, " "), host); }

}  // namespace holdfast
