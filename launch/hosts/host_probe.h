// Asks hosts whether they can still be reached, by the means that starts programs there: ssh, the launch agent, or srun. Does not block:
// each question is a process that this one's owner reaps. One thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace holdfast {

class HostProbe {
 public:
  /// `agent`: as mpirun's plm_rsh_agent; empty: that of the environment, inside an allocation of Slurm's srun, else ssh.
  explicit HostProbe(const std::string& agent);
  /// Kills those that are being asked.
  ~HostProbe();
  HostProbe(const HostProbe&) = delete;
  HostProbe& operator=(const HostProbe&) = delete;

  /// Asks, unless it is being asked already. A host that has not answered after `seconds` does not.
  void ask(const std::string& host, double now, double seconds = kSeconds);
  bool is_asking() const { return !asking_.empty(); }
  /// For an owner who waits for nothing else meanwhile: reaps those that are being asked, and no other child.
  void reap();
  /// To be told of every child that was reaped.
  void reaped(pid_t pid, int wait_status);
  /// Gives up on those that take too long; hands out what is known since the last call.
  struct Answer {
    std::string host;
    bool is_there;
  };
  std::vector<Answer> answers(double now);
  /// What is run for a host, for people.
  std::string command_for(const std::string& host) const;

  static constexpr double kSeconds = 4;

 private:
  struct Question {
    std::string host;
    double until;
  };
  std::vector<std::string> words_;  // before the host's name
  std::map<pid_t, Question> asking_;
  std::vector<Answer> answered_;
};

}  // namespace holdfast
