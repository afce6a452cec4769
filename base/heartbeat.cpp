#include "base/heartbeat.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.h"

namespace holdfast {
namespace {

HeartbeatBlock* map_block(int fd) {
  void* memory = ::mmap(nullptr, sizeof(HeartbeatBlock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw StorageError(ErrorText{.attempted = "map the heartbeat's shared memory", .cause = std::strerror(errno)});
  return static_cast<HeartbeatBlock*>(memory);
}

}  // namespace

std::unique_ptr<Heartbeat> Heartbeat::create() {
  const int fd = ::memfd_create("holdfast-heartbeat", 0);
  if (fd < 0 || ::ftruncate(fd, sizeof(HeartbeatBlock)) != 0)
    throw StorageError(ErrorText{.attempted = "create the heartbeat's shared memory", .cause = std::strerror(errno)});
  HeartbeatBlock* block = new (map_block(fd)) HeartbeatBlock{};
  block->durable_step = -1;
  block->saving_step = -1;
  block->resumed_step = -2;
  return std::unique_ptr<Heartbeat>(new Heartbeat(fd, block));
}

std::unique_ptr<Heartbeat> Heartbeat::from_environment() {
  const char* fd = std::getenv("HOLDFAST_HEARTBEAT_FD");
  if (!fd) return nullptr;
  const int number = std::atoi(fd);
  return std::unique_ptr<Heartbeat>(new Heartbeat(number, map_block(number)));
}

Heartbeat::~Heartbeat() {
  ::munmap(block_, sizeof(HeartbeatBlock));
  ::close(fd_);
}

void Heartbeat::enter(Section section, std::int64_t step) {
  block_->section.store(static_cast<std::uint32_t>(section), std::memory_order_relaxed);
  block_->step.store(step, std::memory_order_relaxed);
  block_->beats.fetch_add(1, std::memory_order_release);
}

void Heartbeat::collective(bool is_inside) {
  if (is_inside) block_->collectives.fetch_add(1, std::memory_order_relaxed);
  block_->is_inside_collective.store(is_inside ? 1 : 0, std::memory_order_relaxed);
  block_->beats.fetch_add(1, std::memory_order_release);
}

void Heartbeat::set_error(std::string_view text) {
  const std::size_t n = std::min(text.size(), sizeof block_->error - 1);
  std::memcpy(block_->error, text.data(), n);
  block_->error[n] = '\0';
}

std::string Heartbeat::error() const { return {block_->error, ::strnlen(block_->error, sizeof block_->error)}; }

}  // namespace holdfast
