// The seam under every file operation of durable state. Tests replace it to drop unsynced bytes, to cut a commit at any
// operation, and to let a disk be full. Every failure throws StorageError with the path and the system's reason.
// Any thread may call a FileSystem; one file object belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

using Path = std::filesystem::path;

/// What direct I/O wants of addresses, offsets and sizes, in bytes.
inline constexpr std::size_t kDirectAlignment = 4096;

class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes without syncing; never throws
  virtual void write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  virtual void truncate(std::uint64_t size) = 0;
  /// Returns when the bytes are on the device (fsync).
  virtual void sync() = 0;
  virtual void close() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual std::uint64_t size() const = 0;
  /// Fills all of `bytes`; a shorter file is a StorageError.
  virtual void read_at(std::uint64_t offset, std::span<std::byte> bytes) const = 0;
};

enum class FileKind { none, file, directory, link, other };

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Creates a new file for writing; an existing one is an error.
  virtual std::unique_ptr<WritableFile> create(const Path& path) = 0;
  /// Likewise, for bulk data that should not pass through the page cache: the address, offset and size of every write are
  /// multiples of kDirectAlignment. Where the file system refuses that, bytes are pushed to the device as they come.
  virtual std::unique_ptr<WritableFile> create_direct(const Path& path) { return create(path); }
  /// Adds to the end of a file, which it makes where there is none: one record, of which a reader sees all or nothing. Not durable.
  virtual void append(const Path& path, std::string_view record) = 0;
  virtual std::unique_ptr<ReadableFile> open(const Path& path) = 0;
  /// Likewise, past the page cache: the address and offset of every read are multiples of kDirectAlignment.
  virtual std::unique_ptr<ReadableFile> open_direct(const Path& path) { return open(path); }
  /// Bytes that this user may still write below `directory`, which exists.
  virtual std::uint64_t available_bytes(const Path& directory) = 0;
  /// What is there, without following a link.
  virtual FileKind kind(const Path& path) = 0;
  /// Names (not paths) in a directory, sorted; none for a directory that does not exist.
  virtual std::vector<std::string> list(const Path& directory) = 0;
  /// Creates one directory; it may exist already.
  virtual void make_directory(const Path& path) = 0;
  /// Moves; an existing target is an error, whatever it is.
  virtual void rename_new(const Path& from, const Path& to) = 0;
  /// Moves and replaces an existing file or link in one step.
  virtual void rename_over(const Path& from, const Path& to) = 0;
  /// Makes the names in a directory durable (fsync of the directory).
  virtual void sync_directory(const Path& directory) = 0;
  virtual void remove_file(const Path& path) = 0;
  virtual void remove_directory(const Path& path) = 0;
  virtual void make_link(const std::string& target, const Path& link) = 0;
  virtual std::string read_link(const Path& link) = 0;
};

/// The real one. Ignores SIGXFSZ from then on, unless the process has a handler: a write beyond RLIMIT_FSIZE throws as others do.
std::unique_ptr<FileSystem> make_posix_file_system();

std::string read_text(FileSystem& files, const Path& path);
/// Writes `path` so that a reader sees the old or the new text, and a crash leaves one of them: temporary file, fsync,
/// rename over, fsync of the directory.
void write_text_durably(FileSystem& files, const Path& path, std::string_view text);
/// Creates the directory and its missing parents, durably.
void make_directories(FileSystem& files, const Path& path);
/// What a link points to; nullopt: there is no link, or no longer, whoever removed it meanwhile.
std::optional<std::string> link_target(FileSystem& files, const Path& path);
/// Removes a directory with all that it holds (links are removed, not followed), or a file; nothing there is fine.
void remove_tree(FileSystem& files, const Path& path);

}  // namespace holdfast
