// Facts about this machine and process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace holdfast {

std::string host_name();
/// Processor cores that this process may use (its affinity mask).
int usable_cores();
/// The same number for the same cores.
std::int64_t usable_cores_digest();
/// Leaves this process, whose other threads are to be started after this, the cores of part `part` of `parts` of those that it may use;
/// neighbours are neighbours. False, and nothing is changed: there are fewer cores than parts.
bool keep_cores(int part, int parts);
/// Where short-lived files go: /dev/shm, which is memory, if this process may write there, else the system's temporary directory.
std::filesystem::path memory_directory();
/// Where this user's programs keep what they can make again: $XDG_CACHE_HOME/holdfast, else ~/.cache/holdfast.
std::filesystem::path user_cache_directory();
/// 32 random hexadecimal digits from the system's generator.
std::string random_token();
/// "2026-01-31T12:00:00.123Z"
std::string utc_time(double unix_seconds);

}  // namespace holdfast
