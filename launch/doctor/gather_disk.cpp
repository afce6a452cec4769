#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/host.h"
#include "base/huge_buffer.h"
#include "launch/doctor/gather.h"

namespace holdfast {
namespace {

constexpr std::size_t kBlock = std::size_t{4} << 20;
constexpr double kWriteSeconds = 1;
constexpr int kSyncs = 5;

/// What statfs calls it (linux/magic.h, and the numbers of those that are not in the kernel).
std::string kind_of(std::int64_t magic) {
  static const std::map<std::int64_t, const char*> kinds = {
      {0xEF53, "ext4"},     {0x58465342, "xfs"},    {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},  {0x794C7630, "overlay"},
      {0x6969, "nfs"},      {0x0BD00BD0, "lustre"}, {0x47504653, "gpfs"},  {0x19830326, "beegfs"}, {0x65735546, "fuse"},
      {0x00C36400, "ceph"}, {0xFF534D42, "cifs"},   {0xFE534D42, "smb2"},  {0x2FC12FC1, "zfs"},    {0x858458F6, "ramfs"}};
  const auto found = kinds.find(magic);
  return found == kinds.end() ? fmt::format("type {:#x}", magic) : found->second;
}

bool takes_direct_io(const Path& directory) {
  const Path path = directory / ("direct-" + random_token());
  const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_DIRECT, 0600);
  ::unlink(path.c_str());  // it may be there although the flag was refused
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

/// As checkpoints are written: large aligned writes, then fsync.
void measure_writing(FileSystem& files, const Path& path, std::int64_t most_bytes, DiskFacts& facts) {
  const SystemClock clock;
  const HugeBuffer buffer(kBlock);
  std::memset(buffer.bytes().data(), 0x5A, kBlock);
  const auto file = files.create_direct(path);
  const double start = clock.seconds();
  while (facts.written_bytes < most_bytes && clock.seconds() - start < kWriteSeconds) {
    // Whole pages, and not more than there is room for: a disk that is nearly full is not one that cannot be written.
    const auto left = static_cast<std::size_t>(most_bytes - facts.written_bytes);
    const std::size_t bytes = std::min(kBlock, left / kDirectAlignment * kDirectAlignment);
    if (bytes == 0) break;
    file->write_at(static_cast<std::uint64_t>(facts.written_bytes), buffer.bytes().first(bytes));
    facts.written_bytes += static_cast<std::int64_t>(bytes);
  }
  file->sync();
  facts.write_seconds = clock.seconds() - start;
  file->close();
}

/// What each line of the journal and each commit waits for.
double median_sync(FileSystem& files, const Path& path) {
  const SystemClock clock;
  const auto file = files.create(path);
  const std::array<std::byte, 256> line{};
  std::array<double, kSyncs> seconds{};
  for (int i = 0; i < kSyncs; ++i) {
    const double start = clock.seconds();
    file->write_at(static_cast<std::uint64_t>(i) * line.size(), line);
    file->sync();
    seconds[static_cast<std::size_t>(i)] = clock.seconds() - start;
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[kSyncs / 2];
}

}  // namespace

DiskFacts measure_disk(const Path& directory, std::int64_t most_bytes) {
  DiskFacts facts;
  const auto files = make_posix_file_system();
  const std::string token = random_token();
  const Path bulk = directory / ("bulk-" + token), small = directory / ("small-" + token);
  try {
    struct statfs system {};
    struct statvfs status {};
    if (::statfs(directory.c_str(), &system) != 0 || ::statvfs(directory.c_str(), &status) != 0)
      throw StorageError(ErrorText{.attempted = "ask for the file system of " + directory.string(), .cause = std::strerror(errno)});
    facts.kind = kind_of(static_cast<std::int64_t>(static_cast<std::uint32_t>(system.f_type)));
    facts.free_bytes = static_cast<std::int64_t>(status.f_bavail * status.f_frsize);
    facts.free_files = status.f_files == 0 ? kUnlimited : static_cast<std::int64_t>(status.f_favail);
    facts.takes_direct_io = takes_direct_io(directory);
    facts.sync_seconds = median_sync(*files, small);
    measure_writing(*files, bulk, std::min(most_bytes, facts.free_bytes / 4), facts);
  } catch (const StorageError& error) {
    facts.error = error.what();
  }
  ::unlink(bulk.c_str());
  ::unlink(small.c_str());
  return facts;
}

}  // namespace holdfast
