#include <dirent.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/control_group.h"
#include "base/host.h"
#include "base/process_files.h"
#include "base/text_file.h"
#include "launch/doctor/gather.h"

namespace holdfast {
namespace {

std::int64_t limit(__rlimit_resource resource) {
  struct rlimit value {};
  if (::getrlimit(resource, &value) != 0 || value.rlim_cur == RLIM_INFINITY) return kUnlimited;
  return static_cast<std::int64_t>(value.rlim_cur);
}

/// The number behind `key` of /proc/meminfo, in bytes.
std::int64_t meminfo(const std::string& text, const std::string& key) {
  const std::size_t at = text.find(key + ":");
  return at == text.npos ? 0 : std::atoll(text.c_str() + at + key.size() + 1) * 1024;
}

/// "[madvise]" out of "always [madvise] never".
std::string chosen_word(const std::string& text) {
  const std::size_t begin = text.find('['), end = text.find(']');
  return begin == text.npos || end == text.npos ? "" : text.substr(begin + 1, end - begin - 1);
}

/// Version of the driver in "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  …".
std::string gpu_driver() {
  std::istringstream words(text_of_file("/proc/driver/nvidia/version"));
  for (std::string word; words >> word;)
    if (std::isdigit(static_cast<unsigned char>(word[0])) && word.find('.') != word.npos) return word;
  return ::access("/dev/nvidiactl", F_OK) == 0 ? "of unknown version" : "";
}

bool has_entries(const char* directory) {
  DIR* stream = ::opendir(directory);
  bool is_found = false;
  while (const dirent* entry = stream ? ::readdir(stream) : nullptr) is_found |= entry->d_name[0] != '.';
  if (stream) ::closedir(stream);
  return is_found;
}

/// Opens a port as the supervisor and the ranks do, and connects to it by way of the loopback interface.
std::string port_error() {
  const auto because = [](const char* what) { return fmt::format("{}: {}", what, std::strerror(errno)); };
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), calling = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  std::string error;
  const timeval patience{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(calling, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (listening < 0 || ::bind(listening, any, size) != 0 || ::listen(listening, 1) != 0 || ::getsockname(listening, any, &size) != 0) {
    error = because("no port can be opened");
  } else {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (calling < 0 || ::connect(calling, any, size) != 0) error = because("the loopback interface does not answer");
  }
  for (const int fd : {listening, calling})
    if (fd >= 0) ::close(fd);
  return error;
}

std::int64_t free_shared_memory() {
  struct statvfs status {};
  if (::access("/dev/shm", W_OK | X_OK) != 0 || ::statvfs("/dev/shm", &status) != 0) return 0;
  return static_cast<std::int64_t>(status.f_bavail * status.f_frsize);
}

}  // namespace

MachineFacts gather_machine() {
  utsname system{};
  ::uname(&system);
  const std::string memory = text_of_file("/proc/meminfo");
  MachineFacts facts{.host = host_name(),
                     .kernel = fmt::format("{} {}", system.sysname, system.release),
                     .cores = usable_cores(),
                     .memory_bytes = meminfo(memory, "MemTotal"),
                     .free_memory_bytes = meminfo(memory, "MemAvailable"),
                     .shared_memory_bytes = free_shared_memory(),
                     .open_files = limit(RLIMIT_NOFILE),
                     .locked_bytes = limit(RLIMIT_MEMLOCK),
                     .file_bytes = limit(RLIMIT_FSIZE),
                     .processes = limit(RLIMIT_NPROC),
                     .huge_pages = chosen_word(text_of_file("/sys/kernel/mm/transparent_hugepage/enabled")),
                     .has_fast_network = has_entries("/sys/class/infiniband"),
                     .port_error = port_error(),
                     .gpu_driver = gpu_driver(),
                     .is_root = ::geteuid() == 0};
  if (const std::optional<MemoryGroup> group = memory_group(); group && group->limit_bytes) {
    facts.memory_bytes = std::min(facts.memory_bytes, *group->limit_bytes);
    facts.free_memory_bytes = std::min(facts.free_memory_bytes, *group->limit_bytes);
  }
  if (const std::int64_t space = limit(RLIMIT_AS); space != kUnlimited) facts.free_memory_bytes = std::min(facts.free_memory_bytes, space);
  return facts;
}

}  // namespace holdfast
