#include "base/host.h"

#include <sched.h>
#include <sys/random.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string_view>

namespace holdfast {

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

std::int64_t usable_cores_digest() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  return static_cast<std::int64_t>(std::hash<std::string_view>()({reinterpret_cast<const char*>(&set), sizeof set}));
}

bool keep_cores(int part, int parts) {
  cpu_set_t all, kept;
  CPU_ZERO(&all);
  CPU_ZERO(&kept);
  if (::sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < parts) return false;
  const int cores = CPU_COUNT(&all), first = cores * part / parts, end = cores * (part + 1) / parts;
  for (int core = 0, at = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &all)) continue;
    if (at >= first && at < end) CPU_SET(core, &kept);
    ++at;
  }
  return ::sched_setaffinity(0, sizeof kept, &kept) == 0;
}

std::filesystem::path memory_directory() {
  const std::filesystem::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK | X_OK) == 0 ? memory : std::filesystem::temp_directory_path();
}

std::filesystem::path user_cache_directory() {
  const auto from = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  const std::filesystem::path base = from("XDG_CACHE_HOME");
  return (base.empty() ? from("HOME") / ".cache" : base) / "holdfast";
}

std::string random_token() {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
    throw std::runtime_error("the system gave no random bytes");
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

std::string utc_time(double unix_seconds) {
  const auto whole = static_cast<std::time_t>(std::floor(unix_seconds));
  const int milliseconds = static_cast<int>((unix_seconds - std::floor(unix_seconds)) * 1000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}Z", fmt::gmtime(whole), milliseconds);
}

}  // namespace holdfast
