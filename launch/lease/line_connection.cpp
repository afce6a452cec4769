#include "launch/lease/line_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kLongestLine = 64 << 10;
constexpr std::size_t kMostWaiting = 1 << 20;

void make_non_blocking(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

LineConnection::LineConnection(int fd) : fd_(fd) { make_non_blocking(fd_); }

LineConnection::~LineConnection() { ::close(fd_); }

std::unique_ptr<LineConnection> LineConnection::connect(const std::string& address, double seconds) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) return nullptr;
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0) return nullptr;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, &::freeaddrinfo);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return nullptr;
  auto connection = std::make_unique<LineConnection>(fd);
  if (::connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
    pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (errno != EINPROGRESS || ::poll(&waiting, 1, static_cast<int>(seconds * 1000)) != 1 ||
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
      return nullptr;
  }
  return connection;
}

void LineConnection::set_patience(double seconds) {
  const int on = 1, idle = std::max(1, static_cast<int>(seconds / 2)), interval = 1, probes = std::max(1, static_cast<int>(seconds / 2));
  const unsigned int limit = static_cast<unsigned int>(seconds * 1000);
  ::setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd_, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(fd_, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(fd_, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  ::setsockopt(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
}

double LineConnection::quiet_seconds() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_last_ack_recv / 1000.0 : 0;
}

void LineConnection::send(const nlohmann::json& message) {
  // Bytes of a log may be anything; what is no UTF-8 is replaced.
  outgoing_ += message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  flush();
}

void LineConnection::flush() {
  while (is_open_ && !outgoing_.empty()) {
    const ssize_t n = ::send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
    if (n > 0) {
      outgoing_.erase(0, static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (outgoing_.size() > kMostWaiting) is_open_ = false;
      return;
    } else {
      is_open_ = false;
    }
  }
}

void LineConnection::receive(const std::function<void(const nlohmann::json&)>& on_message) {
  flush();
  char buffer[16 << 10];
  while (is_open_) {
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n <= 0) {
      is_open_ = false;
      break;
    }
    incoming_.append(buffer, static_cast<std::size_t>(n));
    if (incoming_.size() - (incoming_.rfind('\n') + 1) > kLongestLine) is_open_ = false;  // without a newline: npos + 1 is 0
  }
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = incoming_.find('\n', begin)) != incoming_.npos; begin = end + 1) {
    const std::string_view line = std::string_view(incoming_).substr(begin, end - begin);
    const auto message = line.size() > kLongestLine ? nlohmann::json() : nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!message.is_object()) {
      is_open_ = false;
      return;
    }
    on_message(message);
  }
  incoming_.erase(0, begin);
}

Listener::Listener(Reach reach) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(reach == Reach::this_host ? INADDR_LOOPBACK : INADDR_ANY);
  socklen_t size = sizeof address;
  if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, SOMAXCONN) != 0 ||
      ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw StorageError(ErrorText{.attempted = "open a port for the ranks' leases", .cause = std::strerror(errno)});
  port_ = ntohs(address.sin_port);
}

Listener::~Listener() { ::close(fd_); }

std::unique_ptr<LineConnection> Listener::accept() {
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  return fd < 0 ? nullptr : std::make_unique<LineConnection>(fd);
}

}  // namespace holdfast
