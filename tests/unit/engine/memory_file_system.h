// Files in memory that know what a power loss would leave: contents are durable after sync(), names after sync_directory().
// Any thread may call it. Paths are absolute; links are kept, not followed.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/file_system.h"

namespace holdfast {

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem() : root_(std::make_shared<Node>(FileKind::directory)) {}
  /// A copy that shares nothing.
  MemoryFileSystem(const MemoryFileSystem& other) {
    std::map<const Node*, std::shared_ptr<Node>> copies;
    root_ = copy(*other.root_, copies);
  }

  /// What is left when the power goes now: of every file the bytes that were synced, and, unless `names_survive`, of every
  /// directory the names that were synced.
  void lose_power(bool names_survive) {
    const std::lock_guard lock(mutex_);
    lose(*root_, names_survive);
  }

  std::unique_ptr<WritableFile> create(const Path& path) override {
    const std::lock_guard lock(mutex_);
    Node& parent = directory(path.parent_path(), "create");
    require(!parent.names.contains(path.filename()), "create", path, "File exists");
    return std::make_unique<Writing>(*this, parent.names[path.filename()] = std::make_shared<Node>(FileKind::file));
  }
  std::unique_ptr<ReadableFile> open(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const auto node = find(path);
    require(node && node->kind == FileKind::file, "open", path, "No such file or directory");
    return std::make_unique<Reading>(node->data, path);
  }
  FileKind kind(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const auto node = find(path);
    return node ? node->kind : FileKind::none;
  }
  std::vector<std::string> list(const Path& path) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    if (const auto node = find(path))
      for (const auto& [name, child] : node->names) names.push_back(name);
    return names;
  }
  std::uint64_t available_bytes(const Path& path) override {
    const std::lock_guard lock(mutex_);
    directory(path, "ask for the free space of");
    return available_;
  }
  /// What available_bytes() says; nothing else depends on it.
  void set_available(std::uint64_t bytes) { available_ = bytes; }
  void make_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    auto& node = directory(path.parent_path(), "make directory").names[path.filename()];
    if (!node) node = std::make_shared<Node>(FileKind::directory);
  }
  void rename_new(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    require(!find(to), "rename " + from.string() + " to", to, "File exists");
    move(from, to);
  }
  void rename_over(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    move(from, to);
  }
  void sync_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    Node& node = directory(path, "fsync directory");
    node.durable_names = node.names;
  }
  void remove_file(const Path& path) override {
    const std::lock_guard lock(mutex_);
    directory(path.parent_path(), "remove").names.erase(path.filename());
  }
  void remove_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const auto node = find(path);
    if (!node) return;
    require(node->names.empty(), "remove directory", path, "Directory not empty");
    directory(path.parent_path(), "remove directory").names.erase(path.filename());
  }
  void make_link(const std::string& target, const Path& link) override {
    const std::lock_guard lock(mutex_);
    Node& parent = directory(link.parent_path(), "make link");
    require(!parent.names.contains(link.filename()), "make link", link, "File exists");
    parent.names[link.filename()] = std::make_shared<Node>(FileKind::link, target);
  }
  std::string read_link(const Path& link) override {
    const std::lock_guard lock(mutex_);
    const auto node = find(link);
    require(node && node->kind == FileKind::link, "read link", link, "no link");
    return node->target;
  }
  /// Changes one bit of a file, durably: damage.
  void flip_bit(const Path& path, std::uint64_t byte) {
    const std::lock_guard lock(mutex_);
    const auto node = find(path);
    require(node && byte < node->data.size(), "flip a bit of", path, "no such byte");
    node->data[byte] ^= std::byte{1};
    node->durable_data = node->data;
  }

 private:
  struct Node {
    explicit Node(FileKind kind_, std::string target_ = {}) : kind(kind_), target(std::move(target_)) {}
    FileKind kind;
    std::string target;
    std::vector<std::byte> data, durable_data;
    std::map<std::string, std::shared_ptr<Node>> names, durable_names;
  };

  class Writing final : public WritableFile {
   public:
    Writing(MemoryFileSystem& files, std::shared_ptr<Node> node) : files_(files), node_(std::move(node)) {}
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const std::lock_guard lock(files_.mutex_);
      node_->data.resize(std::max<std::size_t>(node_->data.size(), offset + bytes.size()));
      std::copy(bytes.begin(), bytes.end(), node_->data.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    void truncate(std::uint64_t size) override {
      const std::lock_guard lock(files_.mutex_);
      node_->data.resize(size);
    }
    void sync() override {
      const std::lock_guard lock(files_.mutex_);
      node_->durable_data = node_->data;
    }
    void close() override {}

   private:
    MemoryFileSystem& files_;
    std::shared_ptr<Node> node_;
  };

  class Reading final : public ReadableFile {
   public:
    Reading(std::vector<std::byte> data, Path path) : data_(std::move(data)), path_(std::move(path)) {}
    std::uint64_t size() const override { return data_.size(); }
    void read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
      require(offset + bytes.size() <= data_.size(), "read", path_, "the end of the file");
      std::copy_n(data_.begin() + static_cast<std::ptrdiff_t>(offset), bytes.size(), bytes.begin());
    }

   private:
    std::vector<std::byte> data_;
    Path path_;
  };

  static void require(bool is_good, const std::string& verb, const Path& path, const char* cause) {
    if (!is_good) throw StorageError(ErrorText{.attempted = verb + " " + path.string(), .cause = cause});
  }
  std::shared_ptr<Node> find(const Path& path) const {
    std::shared_ptr<Node> node = root_;
    for (const Path& name : path.relative_path()) {
      const auto child = node->names.find(name);
      if (child == node->names.end()) return nullptr;
      node = child->second;
    }
    return node;
  }
  Node& directory(const Path& path, const std::string& verb) const {
    const auto node = find(path);
    require(node && node->kind == FileKind::directory, verb, path, "No such directory");
    return *node;
  }
  void move(const Path& from, const Path& to) {
    const auto node = find(from);
    require(node != nullptr, "rename", from, "No such file or directory");
    directory(to.parent_path(), "rename").names[to.filename()] = node;
    directory(from.parent_path(), "rename").names.erase(from.filename());
  }
  static void lose(Node& node, bool names_survive) {
    node.data = node.durable_data;
    if (!names_survive) node.names = node.durable_names;
    for (const auto& [name, child] : node.names) lose(*child, names_survive);
  }
  static std::shared_ptr<Node> copy(const Node& node, std::map<const Node*, std::shared_ptr<Node>>& copies) {
    if (const auto found = copies.find(&node); found != copies.end()) return found->second;
    const auto made = copies[&node] = std::make_shared<Node>(node.kind, node.target);
    made->data = node.data;
    made->durable_data = node.durable_data;
    for (const auto& [name, child] : node.names) made->names[name] = copy(*child, copies);
    for (const auto& [name, child] : node.durable_names) made->durable_names[name] = copy(*child, copies);
    return made;
  }

  mutable std::mutex mutex_;
  std::uint64_t available_ = UINT64_MAX;
  std::shared_ptr<Node> root_;
};

}  // namespace holdfast
