#include "base/fence.h"

#include <utility>

#include "base/digest.h"

namespace holdfast {
namespace {

class FencedFileSystem final : public FileSystem {
 public:
  FencedFileSystem(std::unique_ptr<FileSystem> files, Path fence, std::string holder, std::function<void(const Path&)> on_stale)
      : files_(std::move(files)), fence_(std::move(fence)), holder_(std::move(holder)), on_stale_(std::move(on_stale)) {}

  std::unique_ptr<WritableFile> create(const Path& path) override { return checked(path).create(path); }
  std::unique_ptr<WritableFile> create_direct(const Path& path) override { return checked(path).create_direct(path); }
  void append(const Path& path, std::string_view record) override { checked(path).append(path, record); }
  void make_directory(const Path& path) override { checked(path).make_directory(path); }
  void rename_new(const Path& from, const Path& to) override { checked(to).rename_new(from, to); }
  void rename_over(const Path& from, const Path& to) override { checked(to).rename_over(from, to); }
  void remove_file(const Path& path) override { checked(path).remove_file(path); }
  void remove_directory(const Path& path) override { checked(path).remove_directory(path); }
  void make_link(const std::string& target, const Path& link) override { checked(link).make_link(target, link); }

  std::unique_ptr<ReadableFile> open(const Path& path) override { return files_->open(path); }
  std::unique_ptr<ReadableFile> open_direct(const Path& path) override { return files_->open_direct(path); }
  std::uint64_t available_bytes(const Path& directory) override { return files_->available_bytes(directory); }
  FileKind kind(const Path& path) override { return files_->kind(path); }
  std::vector<std::string> list(const Path& directory) override { return files_->list(directory); }
  void sync_directory(const Path& directory) override { files_->sync_directory(directory); }
  std::string read_link(const Path& link) override { return files_->read_link(link); }

 private:
  FileSystem& checked(const Path& path) {
    // Opened anew each time: that is what makes another host's write visible on NFS.
    if (read_text(*files_, fence_) != holder_) on_stale_(path);
    return *files_;
  }

  std::unique_ptr<FileSystem> files_;
  Path fence_;
  std::string holder_;
  std::function<void(const Path&)> on_stale_;
};

}  // namespace

std::string fence_holder(const std::string& attempt_tag) { return to_hex(digest_of(attempt_tag)) + "\n"; }

void raise_fence(FileSystem& files, const Path& fence, const std::string& holder) { write_text_durably(files, fence, holder); }

std::unique_ptr<FileSystem> behind_fence(std::unique_ptr<FileSystem> files, Path fence, std::string holder,
                                         std::function<void(const Path& changed)> on_stale) {
  return std::make_unique<FencedFileSystem>(std::move(files), std::move(fence), std::move(holder), std::move(on_stale));
}

}  // namespace holdfast
