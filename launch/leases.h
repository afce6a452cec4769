// The supervisor's side of the leases: who is connected, what they say, what they are told. A connection is a stranger until
// its first message shows the run's token and the attempt's number; a stranger is told nothing and changes nothing. One thread.
#pragma once

#include <poll.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "launch/line_connection.h"

namespace holdfast {

class Leases {
 public:
  struct Handlers {
    std::function<void(int rank)> joined;
    std::function<void(int rank, const nlohmann::json& message)> said;  // throws nlohmann's exception at rubbish: the lease breaks
    std::function<void(int rank, const std::string& host)> lost;        // gone without an exit record
  };
  /// Throws StorageError when no port can be opened.
  Leases(const Clock& clock, std::string token, Handlers handlers);

  /// Where shims connect: "127.0.0.1:port".
  const std::string& address() const { return listener_.address(); }
  /// Adds what has to be polled for reading.
  void add_to(std::vector<pollfd>& waiting) const;
  /// Takes connections and messages without blocking; calls the handlers. Shims of other attempts than `attempt` are strangers.
  void take_messages(int attempt);
  /// Sends {"command": command} to every rank.
  void tell(const char* command);
  /// Where `rank` is; empty: it is not connected.
  std::string host_of(int rank) const;
  /// Ranks that are connected.
  std::ptrdiff_t connected() const;
  /// True when every connected rank has sent its exit record.
  bool have_all_ended() const;

 private:
  struct Lease {
    std::unique_ptr<LineConnection> line;
    double since = 0;
    std::optional<int> rank;
    std::string host;
    bool has_ended = false;
  };
  void take_message(Lease& lease, const nlohmann::json& message, int attempt);

  const Clock& clock_;
  std::string token_;
  Handlers handlers_;
  Listener listener_;
  std::list<Lease> leases_;
};

}  // namespace holdfast
