#include "launch/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <future>
#include <utility>

#include "base/error.h"
#include "base/host.h"

namespace holdfast {
namespace {

constexpr std::chrono::milliseconds kPatience{20};

}  // namespace

Journal::Journal(const Path& path, const Clock& clock, std::function<void()> meanwhile)
    : path_(path), clock_(clock), meanwhile_(std::move(meanwhile)) {
  fd_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw StorageError(ErrorText{.attempted = "open the journal " + path.string(), .cause = std::strerror(errno)});
  // A supervisor that was killed in the middle of a line: the next line starts on its own.
  char last = '\n';
  const off_t size = ::lseek(fd_, 0, SEEK_END);
  if (size > 0 && ::pread(fd_, &last, 1, size - 1) == 1 && last != '\n' && ::write(fd_, "\n", 1) != 1)
    throw StorageError(ErrorText{.attempted = "write the journal " + path.string(), .cause = std::strerror(errno)});
}

Journal::~Journal() { ::close(fd_); }

void Journal::write(const std::string& event, nlohmann::json fields, Durability durability) {
  const double now = clock_.unix_seconds();
  fields["event"] = event;
  fields["time"] = utc_time(now);
  fields["unix_seconds"] = now;
  const std::string line = fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  errno = 0;
  const bool is_written = ::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  int failure = is_written ? 0 : errno != 0 ? errno : ENOSPC;  // a short write sets none
  if (is_written && durability == Durability::now) {
    std::future<int> synced = std::async(std::launch::async, [this] { return ::fsync(fd_) == 0 ? 0 : errno; });
    while (synced.wait_for(kPatience) != std::future_status::ready)
      if (meanwhile_) meanwhile_();
    failure = synced.get();
  }
  if (failure != 0)
    throw StorageError(ErrorText{
        .attempted = "write the journal " + path_.string(), .cause = std::strerror(failure), .next = "free space there and start again"});
}

std::vector<nlohmann::json> Journal::read(const Path& path) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) lines.push_back(std::move(json));
  }
  return lines;
}

int Journal::newest_attempt(const std::vector<nlohmann::json>& lines) {
  int newest = 0;
  for (const nlohmann::json& line : lines) newest = std::max(newest, line.value("attempt", 0));
  return newest;
}

}  // namespace holdfast
