#include "launch/hosts/own_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/host.h"
#include "launch/hosts/host_list.h"

namespace holdfast {
namespace {

std::string text_of(const in_addr& address) {
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &address, text, sizeof text);
  return text;
}

bool is_loopback(const in_addr& address) { return (ntohl(address.s_addr) >> 24) == 127; }

std::optional<sockaddr_in> resolved(const std::string& host) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  if (::getaddrinfo(host.c_str(), "9", &hints, &found) != 0) return std::nullopt;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, &::freeaddrinfo);
  sockaddr_in address{};
  std::memcpy(&address, found->ai_addr, sizeof address);
  return address;
}

/// The source that the kernel takes for packets to `host`. Nothing is sent.
std::optional<in_addr> source_towards(const std::string& host) {
  const std::optional<sockaddr_in> target = resolved(host);
  const int fd = target ? ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
  if (fd < 0) return std::nullopt;
  sockaddr_in source{};
  socklen_t size = sizeof source;
  const bool is_known = ::connect(fd, reinterpret_cast<const sockaddr*>(&*target), sizeof *target) == 0 &&
                        ::getsockname(fd, reinterpret_cast<sockaddr*>(&source), &size) == 0;
  ::close(fd);
  return is_known ? std::optional(source.sin_addr) : std::nullopt;
}

std::vector<in_addr> interface_addresses() {
  std::vector<in_addr> addresses;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return addresses;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, &::freeifaddrs);
  for (const ifaddrs* one = first; one; one = one->ifa_next)
    if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET && (one->ifa_flags & IFF_UP) != 0)
      addresses.push_back(reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr);
  return addresses;
}

}  // namespace

std::vector<std::string> own_addresses(const std::vector<std::string>& hosts) {
  std::vector<std::string> addresses;
  const auto add = [&addresses](const in_addr& address) {
    const std::string text = text_of(address);
    if (!is_loopback(address) && std::find(addresses.begin(), addresses.end(), text) == addresses.end()) addresses.push_back(text);
  };
  for (const std::string& host : hosts)
    if (const std::optional<in_addr> source = source_towards(host)) add(*source);
  for (const in_addr& address : interface_addresses()) add(address);
  return addresses;
}

bool is_this_host(const std::string& name) {
  if (name == "localhost" || is_same_host(name, host_name())) return true;
  const std::optional<sockaddr_in> address = resolved(name);
  if (!address) return false;
  if (is_loopback(address->sin_addr)) return true;
  const std::vector<in_addr> own = interface_addresses();
  return std::any_of(own.begin(), own.end(), [&](const in_addr& one) { return one.s_addr == address->sin_addr.s_addr; });
}

}  // namespace holdfast
