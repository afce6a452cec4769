#include "launch/lease/ready_files.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace holdfast {

ReadyFiles::ReadyFiles() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (fd_ < 0) throw StorageError(ErrorText{.attempted = "watch the ranks' leases", .cause = std::strerror(errno)});
}

ReadyFiles::~ReadyFiles() { ::close(fd_); }

void ReadyFiles::add(int file, void* owner) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = owner}};
  if (::epoll_ctl(fd_, EPOLL_CTL_ADD, file, &event) != 0)
    throw StorageError(ErrorText{.attempted = "watch a rank's lease", .cause = std::strerror(errno)});
  ++files_;
}

void ReadyFiles::remove(int file) {
  if (::epoll_ctl(fd_, EPOLL_CTL_DEL, file, nullptr) == 0) --files_;
}

std::vector<void*> ReadyFiles::take() const {
  std::vector<epoll_event> events(files_);
  const int count = files_ == 0 ? 0 : ::epoll_wait(fd_, events.data(), static_cast<int>(events.size()), 0);
  std::vector<void*> owners;
  for (int i = 0; i < count; ++i) owners.push_back(events[static_cast<std::size_t>(i)].data.ptr);
  return owners;
}

}  // namespace holdfast
