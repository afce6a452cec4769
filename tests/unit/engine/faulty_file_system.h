// A rank's view of a file system: every operation is recorded, and one of them can be the rank's last, or fail.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"

namespace holdfast {

/// What ends a rank in these tests; nothing but the test catches it.
struct Killed {};

struct Fault {
  int rank = 0;
  std::size_t operation = 0;  // the rank's how-manieth, from 0
  enum class Kind {
    killed,          // before the operation; half of it done if it is a write; the others go on until they need this rank
    killed_at_once,  // likewise, and every other rank dies at its next operation
    fails,           // the operation is not done and throws StorageError
    all_fail,        // likewise, and so does every later operation of every rank
  } kind = Kind::killed;
};

struct Operation {
  int rank = 0;
  std::string verb;
  Path path;
  /// False for those that only look.
  bool changes_or_syncs() const {
    for (const char* looks : {"open", "available bytes", "kind", "list", "read link", "close"})
      if (verb == looks) return false;
    return true;
  }
};

/// The record of all ranks' operations, and the fault that is to strike.
class OperationRecord {
 public:
  explicit OperationRecord(std::optional<Fault> fault = {}) : fault_(fault) {}
  /// `look` is called before every operation, while no other begins.
  explicit OperationRecord(std::function<void(const Operation&)> look) : look_(std::move(look)) {}
  /// Before every operation. True: do half of it (where it has halves), then call strike().
  bool begin(int rank, const std::string& verb, const Path& path) {
    const std::lock_guard lock(mutex_);
    if (everyone_dies_) throw Killed{};
    if (everything_fails_) fail(verb, path);
    std::size_t before = 0;
    for (const Operation& operation : operations_) before += operation.rank == rank;
    if (fault_ && fault_->rank == rank && fault_->operation == before) {
      struck_ = Operation{rank, verb, path};
      return true;
    }
    if (look_) look_({rank, verb, path});
    operations_.push_back({rank, verb, path});
    return false;
  }
  [[noreturn]] void strike() {
    const std::lock_guard lock(mutex_);
    const Fault fault = *fault_;
    if (fault.kind == Fault::Kind::fails || fault.kind == Fault::Kind::all_fail) {
      fault_.reset();  // once; the next try succeeds
      everything_fails_ = fault.kind == Fault::Kind::all_fail;
      fail(struck_->verb, struck_->path);
    }
    everyone_dies_ = fault.kind == Fault::Kind::killed_at_once;
    throw Killed{};
  }
  /// Those that were done, in the order in which they began.
  std::vector<Operation> operations() const {
    const std::lock_guard lock(mutex_);
    return operations_;
  }
  std::optional<Operation> struck() const {
    const std::lock_guard lock(mutex_);
    return struck_;
  }
  /// Whether the fault was the death of that rank: in one of its threads, while another may have seen something else first.
  bool has_killed(int rank) const {
    const std::lock_guard lock(mutex_);
    return struck_ && struck_->rank == rank && fault_ &&
           (fault_->kind == Fault::Kind::killed || fault_->kind == Fault::Kind::killed_at_once);
  }
  std::size_t count(int rank) const {
    std::size_t count = 0;
    for (const Operation& operation : operations()) count += operation.rank == rank;
    return count;
  }

 private:
  [[noreturn]] static void fail(const std::string& verb, const Path& path) {
    throw StorageError(ErrorText{.attempted = verb + " " + path.string(), .cause = "injected by the test"});
  }

  mutable std::mutex mutex_;
  std::optional<Fault> fault_;
  std::function<void(const Operation&)> look_;
  std::vector<Operation> operations_;
  std::optional<Operation> struck_;
  bool everyone_dies_ = false, everything_fails_ = false;
};

class FaultyFileSystem final : public FileSystem {
 public:
  FaultyFileSystem(FileSystem& files, OperationRecord& record, int rank) : files_(files), record_(record), rank_(rank) {}

  std::unique_ptr<WritableFile> create(const Path& path) override {
    begin("create", path);
    return std::make_unique<Writing>(*this, files_.create(path), path);
  }
  void append(const Path& path, std::string_view record) override {
    begin("append to", path);
    files_.append(path, record);
  }
  std::unique_ptr<ReadableFile> open(const Path& path) override {
    begin("open", path);
    return files_.open(path);
  }
  std::uint64_t available_bytes(const Path& path) override {
    begin("available bytes", path);
    return files_.available_bytes(path);
  }
  FileKind kind(const Path& path) override {
    begin("kind", path);
    return files_.kind(path);
  }
  std::vector<std::string> list(const Path& path) override {
    begin("list", path);
    return files_.list(path);
  }
  void make_directory(const Path& path) override {
    begin("make directory", path);
    files_.make_directory(path);
  }
  void rename_new(const Path& from, const Path& to) override {
    begin("rename to", to);
    files_.rename_new(from, to);
  }
  void rename_over(const Path& from, const Path& to) override {
    begin("rename over", to);
    files_.rename_over(from, to);
  }
  void sync_directory(const Path& path) override {
    begin("sync directory", path);
    files_.sync_directory(path);
  }
  void remove_file(const Path& path) override {
    begin("remove file", path);
    files_.remove_file(path);
  }
  void remove_directory(const Path& path) override {
    begin("remove directory", path);
    files_.remove_directory(path);
  }
  void make_link(const std::string& target, const Path& link) override {
    begin("make link", link);
    files_.make_link(target, link);
  }
  std::string read_link(const Path& link) override {
    begin("read link", link);
    return files_.read_link(link);
  }

 private:
  class Writing final : public WritableFile {
   public:
    Writing(FaultyFileSystem& files, std::unique_ptr<WritableFile> file, Path path)
        : files_(files), file_(std::move(file)), path_(std::move(path)) {}
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const bool is_last = files_.record_.begin(files_.rank_, "write", path_);
      file_->write_at(offset, is_last ? bytes.first(bytes.size() / 2) : bytes);
      if (is_last) files_.record_.strike();
    }
    void truncate(std::uint64_t size) override {
      files_.begin("truncate", path_);
      file_->truncate(size);
    }
    void sync() override {
      files_.begin("sync", path_);
      file_->sync();
    }
    void close() override {
      files_.begin("close", path_);
      file_->close();
    }

   private:
    FaultyFileSystem& files_;
    std::unique_ptr<WritableFile> file_;
    Path path_;
  };

  void begin(const std::string& verb, const Path& path) {
    if (record_.begin(rank_, verb, path)) record_.strike();
  }

  FileSystem& files_;
  OperationRecord& record_;
  int rank_;
};

}  // namespace holdfast
