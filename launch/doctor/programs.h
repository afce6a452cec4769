// What the doctor starts: an agent (agent.h) on this host, one on each host by the launcher that starts ranks there, and ranks that talk
// to each other. One launcher for each agent, so that a host that cannot be reached keeps no other from being looked at.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_system.h"
#include "launch/hosts/placement.h"

namespace holdfast {

struct Programs {
  std::vector<Host> hosts = {};  // that the job may use; empty: this one alone
  std::string agent = {};        // what starts a program on another host; empty: mpirun's own choice
  Path holdfast, trainer;        // at the same path on every host
};

/// How many ranks each of `hosts` takes, filled in order; those beyond are spares, with none.
std::vector<int> ranks_by_host(const std::vector<Host>& hosts, int ranks);

/// A directory of this host's memory, gone in the end.
class Scratch {
 public:
  /// Throws StorageError.
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

/// Where agents are to connect to, who they are told to be, and what they try.
struct AgentOrders {
  std::string addresses;  // host:port, with commas
  std::string token;
  int number = 0;
  Path directory;
};

class ProgramStarter {
 public:
  ProgramStarter(const Programs& programs, const Path& scratch) : programs_(programs), scratch_(scratch) {}
  /// Of the supervisor's own host, which reads and writes the run directory too.
  pid_t start_agent_here(const AgentOrders& orders) const;
  /// As ranks are started. `host` empty: here. Throws Error where there is no mpirun.
  pid_t start_agent_on(const std::string& host, const AgentOrders& orders) const;
  /// Ranks that measure for `seconds` how they talk. `tag`: in the environment of all of them.
  pid_t start_talk(const Placement& hosts, int ranks, double seconds, const std::string& tag) const;
  Path agent_log(int number) const;
  Path talk_log() const { return scratch_ / "pairs.log"; }

 private:
  std::vector<std::string> agent_command() const { return {programs_.holdfast.string(), "doctor", "--agent"}; }
  std::map<std::string, std::string> launcher_variables() const;

  const Programs& programs_;
  const Path& scratch_;
};

/// By which an agent on any of these hosts can reach this one's `port`.
std::string addresses_for(const std::vector<Host>& hosts, int port);

}  // namespace holdfast
