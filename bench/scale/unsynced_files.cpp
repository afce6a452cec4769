#include "bench/scale/unsynced_files.h"

#include <utility>

namespace holdfast {
namespace {

class UnsyncedFile final : public WritableFile {
 public:
  explicit UnsyncedFile(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override { file_->write_at(offset, bytes); }
  void truncate(std::uint64_t size) override { file_->truncate(size); }
  void sync() override {}
  void close() override { file_->close(); }

 private:
  std::unique_ptr<WritableFile> file_;
};

class UnsyncedFiles final : public FileSystem {
 public:
  std::unique_ptr<WritableFile> create(const Path& path) override { return std::make_unique<UnsyncedFile>(files_->create(path)); }
  void append(const Path& path, std::string_view record) override { files_->append(path, record); }
  std::unique_ptr<ReadableFile> open(const Path& path) override { return files_->open(path); }
  std::uint64_t available_bytes(const Path& directory) override { return files_->available_bytes(directory); }
  FileKind kind(const Path& path) override { return files_->kind(path); }
  std::vector<std::string> list(const Path& directory) override { return files_->list(directory); }
  void make_directory(const Path& path) override { files_->make_directory(path); }
  void rename_new(const Path& from, const Path& to) override { files_->rename_new(from, to); }
  void rename_over(const Path& from, const Path& to) override { files_->rename_over(from, to); }
  void sync_directory(const Path&) override {}
  void remove_file(const Path& path) override { files_->remove_file(path); }
  void remove_directory(const Path& path) override { files_->remove_directory(path); }
  void make_link(const std::string& target, const Path& link) override { files_->make_link(target, link); }
  std::string read_link(const Path& link) override { return files_->read_link(link); }

 private:
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

}  // namespace

std::unique_ptr<FileSystem> make_unsynced_files() { return std::make_unique<UnsyncedFiles>(); }

}  // namespace holdfast
