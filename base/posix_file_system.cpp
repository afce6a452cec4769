#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/file_system.h"

namespace holdfast {
namespace {

[[noreturn]] void fail(std::string_view verb, const Path& path, int error) {
  std::string next;
  if (error == ENOSPC || error == EDQUOT) next = "free space on that file system, or keep fewer states (`checkpoints: limit`)";
  if (error == EACCES || error == EPERM || error == EROFS) next = "give this user access to it, or choose another --run-dir";
  throw StorageError(ErrorText{.attempted = fmt::format("{} {}", verb, path.string()), .cause = std::strerror(error), .next = next});
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(int fd, Path path) : fd_(fd), path_(std::move(path)) {}
  ~PosixWritableFile() override {
    if (fd_ >= 0) ::close(fd_);
  }
  PosixWritableFile(const PosixWritableFile&) = delete;
  PosixWritableFile& operator=(const PosixWritableFile&) = delete;

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail("write", path_, n == 0 ? EIO : errno);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }
  void truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("truncate", path_, errno);
  }
  void sync() override {
    if (::fsync(fd_) != 0) fail("fsync", path_, errno);
  }
  void close() override {
    const int fd = std::exchange(fd_, -1);
    if (::close(fd) != 0 && errno != EINTR) fail("close", path_, errno);
  }

 private:
  int fd_;
  Path path_;
};

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(int fd, Path path, std::uint64_t size) : fd_(fd), path_(std::move(path)), size_(size) {}
  ~PosixReadableFile() override { ::close(fd_); }
  PosixReadableFile(const PosixReadableFile&) = delete;
  PosixReadableFile& operator=(const PosixReadableFile&) = delete;

  std::uint64_t size() const override { return size_; }
  void read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
    while (!bytes.empty()) {
      const ssize_t n = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("read", path_, errno);
      if (n == 0)
        throw StorageError(ErrorText{.attempted = fmt::format("read {}", path_.string()),
                                     .expected = fmt::format("{} more bytes at offset {}", bytes.size(), offset),
                                     .found = "the end of the file"});
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }

 private:
  int fd_;
  Path path_;
  std::uint64_t size_;
};

/// True when `fd` was open for direct I/O and is no longer: the file system took the flag and refuses what it means.
bool gave_up_direct_io(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0 && ::fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

/// Bulk data. Direct where the file system takes it; else every write starts its own way to the device at once, so that
/// the last fsync finds little left to do.
class DirectWritableFile final : public WritableFile {
 public:
  DirectWritableFile(int fd, Path path) : file_(fd, path), fd_(fd), path_(std::move(path)) {}
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && (errno == EINTR || (errno == EINVAL && gave_up_direct_io(fd_)))) continue;
      if (n <= 0) fail("write", path_, n == 0 ? EIO : errno);
      if (!(::fcntl(fd_, F_GETFL) & O_DIRECT)) ::sync_file_range(fd_, static_cast<off_t>(offset), n, SYNC_FILE_RANGE_WRITE);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }
  void truncate(std::uint64_t size) override { file_.truncate(size); }
  void sync() override { file_.sync(); }
  void close() override { file_.close(); }

 private:
  PosixWritableFile file_;
  int fd_;
  Path path_;
};

class DirectReadableFile final : public ReadableFile {
 public:
  DirectReadableFile(int fd, Path path, std::uint64_t size) : file_(fd, path, size), fd_(fd), path_(std::move(path)) {}
  std::uint64_t size() const override { return file_.size(); }
  void read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
    const std::size_t whole = bytes.size() / kDirectAlignment * kDirectAlignment;
    read_pages(offset, bytes.first(whole), whole);
    if (whole == bytes.size()) return;
    // The last page is read whole, to where there is room for it.
    alignas(kDirectAlignment) std::byte page[kDirectAlignment];
    const std::span<std::byte> rest = bytes.subspan(whole);
    read_pages(offset + whole, page, rest.size());
    std::memcpy(rest.data(), page, rest.size());
  }

 private:
  void read_pages(std::uint64_t offset, std::span<std::byte> pages, std::size_t needed) const {
    std::size_t done = 0;
    while (done < needed) {
      const ssize_t n = ::pread(fd_, pages.data() + done, pages.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && (errno == EINTR || (errno == EINVAL && gave_up_direct_io(fd_)))) continue;
      if (n < 0) fail("read", path_, errno);
      if (n == 0)
        throw StorageError(ErrorText{.attempted = fmt::format("read {}", path_.string()),
                                     .expected = fmt::format("{} more bytes at offset {}", needed - done, offset + done),
                                     .found = "the end of the file"});
      done += static_cast<std::size_t>(n);
    }
  }

  PosixReadableFile file_;
  int fd_;
  Path path_;
};

/// A write beyond RLIMIT_FSIZE is an error like any other; by default it is a signal that ends the process.
void ignore_file_size_signal() {
  struct sigaction now {};
  if (::sigaction(SIGXFSZ, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGXFSZ, SIG_IGN);
}

class PosixFileSystem final : public FileSystem {
 public:
  std::unique_ptr<WritableFile> create(const Path& path) override { return std::make_unique<PosixWritableFile>(create_new(path, 0), path); }
  std::unique_ptr<WritableFile> create_direct(const Path& path) override {
    return std::make_unique<DirectWritableFile>(create_new(path, O_DIRECT), path);
  }
  void append(const Path& path, std::string_view record) override {
    const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) fail("open", path, errno);
    const ssize_t n = ::write(fd, record.data(), record.size());
    const int error = n < 0 ? errno : ENOSPC;
    if (n > 0 && n != static_cast<ssize_t>(record.size())) static_cast<void>(::ftruncate(fd, ::lseek(fd, 0, SEEK_CUR) - n));
    ::close(fd);
    if (n != static_cast<ssize_t>(record.size())) fail("write", path, error);
  }
  std::unique_ptr<ReadableFile> open(const Path& path) override { return open_with<PosixReadableFile>(path, 0); }
  std::unique_ptr<ReadableFile> open_direct(const Path& path) override { return open_with<DirectReadableFile>(path, O_DIRECT); }
  std::uint64_t available_bytes(const Path& directory) override {
    struct statvfs status {};
    if (::statvfs(directory.c_str(), &status) != 0) fail("ask for the free space of", directory, errno);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }
  FileKind kind(const Path& path) override {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return FileKind::none;
      fail("stat", path, errno);
    }
    if (S_ISREG(status.st_mode)) return FileKind::file;
    if (S_ISDIR(status.st_mode)) return FileKind::directory;
    return S_ISLNK(status.st_mode) ? FileKind::link : FileKind::other;
  }
  std::vector<std::string> list(const Path& directory) override {
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), &::closedir);
    if (!stream) {
      if (errno == ENOENT) return {};
      fail("list", directory, errno);
    }
    std::vector<std::string> names;
    for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    if (errno != 0) fail("list", directory, errno);
    std::sort(names.begin(), names.end());
    return names;
  }
  void make_directory(const Path& path) override {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) fail("make directory", path, errno);
  }
  void rename_new(const Path& from, const Path& to) override {
    if (::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno != EINVAL && errno != ENOSYS) fail("rename " + from.string() + " to", to, errno);
    // A file system without RENAME_NOREPLACE: a non-empty directory still refuses to be replaced.
    if (kind(to) != FileKind::none) fail("rename " + from.string() + " to", to, EEXIST);
    rename_over(from, to);
  }
  void rename_over(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("rename " + from.string() + " to", to, errno);
  }
  void sync_directory(const Path& directory) override {
    const int fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail("open directory", directory, errno);
    const int result = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    if (result != 0) fail("fsync directory", directory, error);
  }
  void remove_file(const Path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("remove", path, errno);
  }
  void remove_directory(const Path& path) override {
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT) fail("remove directory", path, errno);
  }
  void make_link(const std::string& target, const Path& link) override {
    if (::symlink(target.c_str(), link.c_str()) != 0) fail("make link", link, errno);
  }
  std::string read_link(const Path& link) override {
    char target[4096];
    const ssize_t n = ::readlink(link.c_str(), target, sizeof target);
    if (n < 0) fail("read link", link, errno);
    return {target, static_cast<std::size_t>(n)};
  }

 private:
  /// `flags` may hold O_DIRECT, which is left out where the file system refuses it.
  static int create_new(const Path& path, int flags) {
    int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | flags, 0644);
    if (fd < 0 && errno == EINVAL && flags != 0) {
      ::unlink(path.c_str());  // the file was created before the flag was refused
      fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    }
    if (fd < 0) fail("create", path, errno);
    return fd;
  }
  template <class File>
  static std::unique_ptr<ReadableFile> open_with(const Path& path, int flags) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0 && errno == EINVAL && flags != 0) fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("open", path, errno);
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
      const int error = errno;
      ::close(fd);
      fail("stat", path, error);
    }
    return std::make_unique<File>(fd, path, static_cast<std::uint64_t>(status.st_size));
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() {
  ignore_file_size_signal();
  return std::make_unique<PosixFileSystem>();
}

}  // namespace holdfast
