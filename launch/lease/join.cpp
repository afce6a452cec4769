#include "launch/lease/join.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <sstream>

namespace holdfast {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kTrySeconds = 2;  // for one address, while there are others
constexpr int kPauseMilliseconds = 100;

double seconds_until(Clock::time_point end) { return std::chrono::duration<double>(end - Clock::now()).count(); }

bool is_welcomed(Joined& joined, const nlohmann::json& hello, double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  bool is_welcome = false;
  joined.line->send(hello);
  while (!is_welcome && joined.line->is_open() && seconds_until(end) > 0) {
    pollfd waiting{.fd = joined.line->fd(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, std::max(1, static_cast<int>(seconds_until(end) * 1000)));
    joined.line->receive([&](const nlohmann::json& message) {
      if (message.value("command", "") == "welcome")
        is_welcome = true;
      else
        joined.heard_so_far.push_back(message);
    });
  }
  return is_welcome;
}

}  // namespace

Joined join(const std::string& addresses, const nlohmann::json& hello, double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const double try_seconds = addresses.find(',') == addresses.npos ? seconds : std::min(seconds, kTrySeconds);
  do {
    std::istringstream list(addresses);
    for (std::string address; std::getline(list, address, ',') && seconds_until(end) > 0;) {
      Joined joined{.line = LineConnection::connect(address, std::min(try_seconds, seconds_until(end)))};
      if (joined.line && is_welcomed(joined, hello, std::min(try_seconds, seconds_until(end)))) return joined;
    }
    ::poll(nullptr, 0, std::clamp(static_cast<int>(seconds_until(end) * 1000), 0, kPauseMilliseconds));
  } while (seconds_until(end) > 0);
  return {};
}

}  // namespace holdfast
