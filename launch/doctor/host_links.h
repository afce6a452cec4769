// The doctor's side of its connections: one agent (agent.h) a host. Nothing here waits for longer than it is told to: a host or a file
// system that does not answer is an answer too, and one that talks rubbish is cut off. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file_system.h"
#include "launch/lease/line_connection.h"

namespace holdfast {

class HostLinks {
 public:
  HostLinks(const Clock& clock, std::string token, Reach reach = Reach::this_host)
      : clock_(clock), token_(std::move(token)), listener_(reach) {}
  /// Kills what is left of the launchers.
  ~HostLinks();
  HostLinks(const HostLinks&) = delete;
  HostLinks& operator=(const HostLinks&) = delete;

  /// Where agents connect; those on this host.
  std::string address() const { return listener_.address(); }
  int port() const { return listener_.port(); }
  /// Number `size()` from now on: the host whose agent `launcher` (a child of this process, with a process group of its own) starts.
  /// What the launcher says goes to `log`.
  void add(pid_t launcher, Path log);
  std::size_t size() const { return hosts_.size(); }
  /// Until every agent is there, or its launcher has ended, or the time is over. `on_there` is told of each as it comes, and may ask it.
  void wait_for_agents(
      double seconds, const std::function<void(int host)>& on_there = [](int) {});
  bool is_there(int host) const { return hosts_[static_cast<std::size_t>(host)].line != nullptr; }
  double launch_seconds(int host) const { return hosts_[static_cast<std::size_t>(host)].launch_seconds; }
  /// Why it is not there.
  std::string launch_error(int host) const;

  /// Asks; the answer comes with collect(). `question` has "ask".
  int post(const std::vector<int>& hosts, nlohmann::json question);
  /// By host; each is an object. Who has not answered `seconds` from now on is missing.
  std::map<int, nlohmann::json> collect(int number, double seconds);
  std::map<int, nlohmann::json> ask(const std::vector<int>& hosts, nlohmann::json question, double seconds) {
    return collect(post(hosts, std::move(question)), seconds);
  }
  /// Lets the agents end, and what of them does not.
  void close(double seconds);

 private:
  struct Host {
    pid_t launcher = 0;
    Path log;
    double started_at = 0, launch_seconds = 0;
    bool has_ended = false;  // the launcher
    std::unique_ptr<LineConnection> line;
  };
  static void end(Host& host);
  void turn(double seconds);
  void take_strangers();
  void take_answer(int host, const nlohmann::json& message);
  bool take_hello(std::unique_ptr<LineConnection>& line, const nlohmann::json& message);

  const Clock& clock_;
  std::string token_;
  Listener listener_;
  std::vector<Host> hosts_;
  std::vector<std::unique_ptr<LineConnection>> strangers_;
  int questions_ = 0;
  std::map<int, std::vector<int>> asked_;                 // by question
  std::map<int, std::map<int, nlohmann::json>> answers_;  // by question, by host
};

}  // namespace holdfast
