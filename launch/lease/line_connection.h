// A TCP connection that carries JSON objects, one a line: the lease between a shim and the supervisor. Non-blocking; one
// thread. A peer that closes, breaks or talks rubbish makes is_open() false; nothing throws.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

namespace holdfast {

class LineConnection {
 public:
  /// Takes a connected socket.
  explicit LineConnection(int fd);
  ~LineConnection();
  LineConnection(const LineConnection&) = delete;
  LineConnection& operator=(const LineConnection&) = delete;

  /// Connects to "host:port" within `seconds`, or returns null.
  static std::unique_ptr<LineConnection> connect(const std::string& address, double seconds);

  int fd() const { return fd_; }
  bool is_open() const { return is_open_; }
  /// A peer that acknowledges nothing for this long, asked or told, is gone: the connection closes. Its own keep-alive, as data that
  /// nobody acknowledges keep the usual one from asking.
  void set_patience(double seconds);
  /// Queues and sends what the socket takes; the rest goes with the next call. A peer that does not read while 1 MiB waits
  /// for it is taken for dead.
  void send(const nlohmann::json& message);
  /// Reads what is there and hands out whole lines. Lines of more than 64 KiB or without JSON close the connection.
  void receive(const std::function<void(const nlohmann::json&)>& on_message);
  /// Something that was sent waits for the peer to read.
  bool is_behind() const { return !outgoing_.empty(); }
  /// Seconds since the newest packet of the peer's came here, whenever it was read: the kernel's count, to a few milliseconds (TCP_INFO).
  /// The peer's end is one, unless it left unread what it was told. 0: the kernel does not say.
  double quiet_seconds() const;
  void close() { is_open_ = false; }

 private:
  void flush();
  int fd_;
  bool is_open_ = true;
  std::string incoming_, outgoing_;
};

/// From where a listener is heard: on the loopback interface, or on all of them (IPv4).
enum class Reach { this_host, every_host };

/// A listening socket on a free port.
class Listener {
 public:
  /// Throws StorageError.
  explicit Listener(Reach reach = Reach::this_host);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int fd() const { return fd_; }
  /// "127.0.0.1:port"
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  /// null when nobody waits.
  std::unique_ptr<LineConnection> accept();

 private:
  int fd_;
  int port_ = 0;
};

}  // namespace holdfast
