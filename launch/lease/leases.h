// The supervisor's side of the leases: who is connected, what they say, what they are told. A connection is a stranger until
// its first message shows the run's token and the attempt's number; a stranger is told nothing and changes nothing. One thread.
#pragma once

#include <poll.h>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "launch/lease/line_connection.h"
#include "launch/lease/ready_files.h"

namespace holdfast {

class Leases {
 public:
  struct Handlers {
    std::function<void(int rank, const std::string& host)> joined;
    std::function<void(int rank, const nlohmann::json& message)> said;  // throws nlohmann's exception at rubbish: the lease breaks
    std::function<void(int rank, const std::string& host)> lost;        // gone without an exit record
    std::function<void(int rank, const std::string& host, double seconds)> silent = {};  // likewise, and its connection still stood
  };
  struct Reachability {
    Reach reach = Reach::this_host;
    double lease_seconds = 1e9;  // a shim that has said nothing for this long is taken for gone
  };
  /// Throws StorageError when no port can be opened.
  Leases(const Clock& clock, std::string token, Handlers handlers, Reachability reachability);
  Leases(const Clock& clock, std::string token, Handlers handlers) : Leases(clock, std::move(token), std::move(handlers), {}) {}

  /// Where shims of this host connect: "127.0.0.1:port".
  std::string address() const { return listener_.address(); }
  int port() const { return listener_.port(); }
  /// Adds what has to be polled for reading.
  void add_to(std::vector<pollfd>& waiting) const;
  /// Takes connections and messages without blocking; calls the handlers. Shims of other attempts than `attempt` are strangers.
  void take_messages(int attempt);
  /// Sends {"command": command}, with further `fields`, to every rank.
  void tell(const char* command, nlohmann::json fields = nlohmann::json::object());
  /// Others are told from now on; first, that every rank which is connected has joined. Not to be called by a handler.
  void hand_over(Handlers handlers);
  /// Where the connected ranks are.
  std::map<int, std::string> hosts() const;
  /// Ranks that are connected.
  std::ptrdiff_t connected() const;
  /// The ranks of connected shims, still without an exit record, that have said nothing for `seconds` or longer.
  std::vector<int> silent_for(double seconds) const;
  /// True when every connected rank has sent its exit record.
  bool have_all_ended() const;

 private:
  struct Lease {
    std::unique_ptr<LineConnection> line;
    double since = 0;
    double heard_at = 0;
    std::optional<int> rank;
    std::string host;
    bool has_ended = false;
    bool is_ready = true;       // there may be something to read
    double silent_seconds = 0;  // of one that has expired
    double quiet_seconds = 0;   // of one that is gone
  };
  void take_message(Lease& lease, const nlohmann::json& message, int attempt);
  void forgive_own_stall();
  void accept_all();
  /// Closes the lease when its shim has been silent for too long.
  void expire(Lease& lease, double now);
  /// Takes those out that are not connected any more, in the order in which they went: mpirun kills the others within milliseconds of
  /// the first, and this process may have been busy all the while.
  std::list<Lease> take_gone();

  const Clock& clock_;
  std::string token_;
  Handlers handlers_;
  Listener listener_;
  ReadyFiles ready_;  // of thousands of connections few have something to say at a time
  double lease_seconds_;
  double awake_at_;
  std::list<Lease> leases_;
};

}  // namespace holdfast
