#include "launch/lease/open_files.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::int64_t kOtherFiles = 64;  // journal, logs, pipes, sockets that wait to be closed

}  // namespace

std::int64_t open_files_for(int ranks, bool has_standby) { return std::int64_t{ranks} * (has_standby ? 2 : 1) + kOtherFiles; }

void allow_open_files(std::int64_t files) {
  rlimit limit{};
  const auto wanted = static_cast<rlim_t>(files);
  const auto refuse = [&](const std::string& found, const std::string& cause) {
    throw Error(to_string({.attempted = "hold a connection to every rank",
                           .expected = fmt::format("{} open files to be allowed", files),
                           .found = found,
                           .cause = cause,
                           .next = fmt::format("ulimit -Hn {}, or nofile in /etc/security/limits.conf", files)}),
                kExitConfiguration);
  };
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) refuse("", std::strerror(errno));
  if (limit.rlim_cur >= wanted) return;
  if (limit.rlim_max < wanted) refuse(fmt::format("{}", limit.rlim_max), "the hard limit of this process");
  limit.rlim_cur = wanted;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) refuse("", std::strerror(errno));
}

}  // namespace holdfast
