// Ranks that are processes of one host without MPI: each exchange goes over a socket to rank 0 and back. The death of one closes
// its socket, so that the others get PeerLost at once.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "tests/unit/engine/exchange.h"

namespace holdfast {

class SocketRanks final : public Exchange {
 public:
  /// Blocks until all ranks are there. `path` of the socket: no file of the run directory.
  SocketRanks(const std::string& path, int rank, int size) : sockets_(static_cast<std::size_t>(size), -1) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    if (rank > 0) {
      sockets_[0] = make_socket();
      for (int tries = 0; ::connect(sockets_[0], name, sizeof address) != 0; ++tries) {
        if (tries == 2000) throw PeerLost("rank 0 never listened at " + path);
        ::usleep(5000);
      }
      send(sockets_[0], std::string(1, static_cast<char>(rank)));
      return;
    }
    const int listener = make_socket();
    if (::bind(listener, name, sizeof address) != 0 || ::listen(listener, size) != 0) throw PeerLost("cannot listen at " + path);
    for (int others = 1; others < size; ++others) {
      const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      sockets_.at(static_cast<std::size_t>(receive(accepted).at(0))) = accepted;
    }
    ::close(listener);
  }
  ~SocketRanks() override {
    for (const int socket : sockets_) ::close(socket);
  }
  SocketRanks(const SocketRanks&) = delete;
  SocketRanks& operator=(const SocketRanks&) = delete;

  int size() const override { return static_cast<int>(sockets_.size()); }
  std::vector<std::string> exchange(int rank, std::string mine) override {
    std::vector<std::string> texts(sockets_.size());
    if (rank > 0) {
      send(sockets_[0], mine);
      for (std::string& text : texts) text = receive(sockets_[0]);
      return texts;
    }
    texts[0] = std::move(mine);
    for (std::size_t other = 1; other < texts.size(); ++other) texts[other] = receive(sockets_[other]);
    for (std::size_t other = 1; other < texts.size(); ++other)
      for (const std::string& text : texts) send(sockets_[other], text);
    return texts;
  }

 private:
  static int make_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }
  static void send(int socket, const std::string& text) {
    const std::uint64_t bytes = text.size();
    std::string message(reinterpret_cast<const char*>(&bytes), sizeof bytes);
    message += text;
    for (std::size_t at = 0; at < message.size();) {
      const ssize_t n = ::send(socket, message.data() + at, message.size() - at, MSG_NOSIGNAL);
      if (n <= 0) throw PeerLost("another rank has died");
      at += static_cast<std::size_t>(n);
    }
  }
  static std::string receive(int socket) {
    std::uint64_t bytes = 0;
    fill(socket, reinterpret_cast<char*>(&bytes), sizeof bytes);
    std::string text(bytes, '\0');
    fill(socket, text.data(), bytes);
    return text;
  }
  static void fill(int socket, char* to, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes;) {
      const ssize_t n = ::recv(socket, to + at, bytes - at, 0);
      if (n <= 0) throw PeerLost("another rank has died");
      at += static_cast<std::size_t>(n);
    }
  }

  std::vector<int> sockets_;  // by rank; on the others only that of rank 0
};

}  // namespace holdfast
