// Files in memory that know what a loss of power can leave. Any thread may call it. Paths are absolute; links are kept, not followed.
//
// What is not synced is kept as single changes, and any subset of them can be what reaches the disk (crashed()), whatever their order:
//  - of a file: every page (4096 bytes) of every write, and every change of the size, each by itself. So writes are torn at pages,
//    later bytes survive without earlier ones, and a file may have its size and holes. sync() of the file ends that for its changes,
//    and says nothing of its name;
//  - of directories: every create, mkdir, symlink, unlink, rmdir and rename, each by itself, also within one directory. A rename is
//    one change even between two directories: done or not, never half of it, and certain when both are synced. sync_directory()
//    ends that for the changes in that directory (and for earlier ones of the same names), and says nothing of the files.
// Real file systems order more than that: a journal keeps metadata in the order of the calls. A name never leads to something
// other than what it was given, and a link is there with its target or not at all.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/file_system.h"
#include "memory_node.h"

namespace holdfast {

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem() : root_(std::make_shared<Node>(FileKind::directory)) {}
  /// A copy that shares nothing.
  MemoryFileSystem(const MemoryFileSystem& other) {
    const std::lock_guard lock(other.mutex_);
    Copies copies;
    root_ = copy(*other.root_, copies);
    for (const NameChange& change : other.name_changes_)
      for (NameChange& made = name_changes_.emplace_back(); const Entry& entry : change)
        made.push_back({copy(*entry.directory, copies), entry.name, entry.node ? copy(*entry.node, copies) : nullptr, entry.is_synced});
  }

  /// How many changes are not synced. Each has a number from 0, those of names first, in the order in which they were made.
  std::size_t unsynced() const {
    const std::lock_guard lock(mutex_);
    std::size_t count = name_changes_.size();
    for (const auto& node : nodes()) count += node->unsynced.size();
    return count;
  }
  /// What a power loss leaves if of the changes that are not synced only those arrive whose number is in `kept`.
  MemoryFileSystem crashed(const std::vector<bool>& kept) const {
    MemoryFileSystem left(*this);
    left.lose(kept);
    return left;
  }
  /// Of everything that can be seen: equal for equal names and bytes.
  Digest image() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    describe(*root_, text);
    return digest_of(text);
  }

  std::unique_ptr<WritableFile> create(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const auto& parent = directory(path.parent_path(), "create");
    require(!parent->names.contains(path.filename()), "create", path, "File exists");
    auto node = std::make_shared<Node>(FileKind::file);
    change({{parent, path.filename(), node}});
    return std::make_unique<Writing>(*this, node);
  }
  void append(const Path& path, std::string_view record) override {
    const std::lock_guard lock(mutex_);
    const auto& parent = directory(path.parent_path(), "append to");
    if (!parent->names.contains(path.filename())) change({{parent, path.filename(), std::make_shared<Node>(FileKind::file)}});
    const auto node = find(path);
    node->write(node->data.size(), std::as_bytes(std::span(record)));
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
    const auto& parent = directory(path.parent_path(), "make directory");
    if (!parent->names.contains(path.filename())) change({{parent, path.filename(), std::make_shared<Node>(FileKind::directory)}});
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
    sync_names(directory(path, "fsync directory"));
  }
  void remove_file(const Path& path) override {
    const std::lock_guard lock(mutex_);
    remove(path, "remove");
  }
  void remove_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const auto node = find(path);
    if (!node) return;
    require(node->names.empty(), "remove directory", path, "Directory not empty");
    remove(path, "remove directory");
  }
  void make_link(const std::string& target, const Path& link) override {
    const std::lock_guard lock(mutex_);
    const auto& parent = directory(link.parent_path(), "make link");
    require(!parent->names.contains(link.filename()), "make link", link, "File exists");
    change({{parent, link.filename(), std::make_shared<Node>(FileKind::link, target)}});
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
    node->sync();
  }

 private:
  using Node = MemoryNode;
  using NodePointer = std::shared_ptr<Node>;
  /// A name that gets another meaning; node == nullptr: none.
  struct Entry {
    NodePointer directory;
    std::string name;
    NodePointer node;
    bool is_synced = false;  // its directory was; the others of the same change were not
    bool is_of(const Entry& other) const { return directory == other.directory && name == other.name; }
  };
  using NameChange = std::vector<Entry>;
  using Names = std::map<std::string, NodePointer> Node::*;
  using Copies = std::map<const Node*, NodePointer>;

  class Writing final : public WritableFile {
   public:
    Writing(MemoryFileSystem& files, NodePointer node) : files_(files), node_(std::move(node)) {}
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const std::lock_guard lock(files_.mutex_);
      node_->write(offset, bytes);
    }
    void truncate(std::uint64_t size) override {
      const std::lock_guard lock(files_.mutex_);
      node_->resize(size);
    }
    void sync() override {
      const std::lock_guard lock(files_.mutex_);
      node_->sync();
    }
    void close() override {}

   private:
    MemoryFileSystem& files_;
    NodePointer node_;
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
  NodePointer find(const Path& path) const {
    NodePointer node = root_;
    for (const Path& name : path.relative_path()) {
      const auto child = node->names.find(name);
      if (child == node->names.end()) return nullptr;
      node = child->second;
    }
    return node;
  }
  NodePointer directory(const Path& path, const std::string& verb) const {
    const auto node = find(path);
    require(node && node->kind == FileKind::directory, verb, path, "No such directory");
    return node;
  }

  static void apply(const NameChange& change, Names names) {
    for (const Entry& entry : change)
      if (entry.node)
        ((*entry.directory).*names)[entry.name] = entry.node;
      else
        ((*entry.directory).*names).erase(entry.name);
  }
  void change(NameChange change) {
    apply(change, &Node::names);
    name_changes_.push_back(std::move(change));
  }
  void remove(const Path& path, const std::string& verb) {
    const auto parent = directory(path.parent_path(), verb);
    if (parent->names.contains(path.filename())) change({{parent, path.filename(), nullptr}});
  }
  void move(const Path& from, const Path& to) {
    const auto node = find(from);
    require(node != nullptr, "rename", from, "No such file or directory");
    change({{directory(from.parent_path(), "rename"), from.filename(), nullptr},
            {directory(to.parent_path(), "rename"), to.filename(), node}});
  }
  void sync_names(const NodePointer& directory) {
    const auto share_a_name = [](const NameChange& a, const NameChange& b) {
      return std::any_of(a.begin(), a.end(),
                         [&](const Entry& x) { return std::any_of(b.begin(), b.end(), [&](const Entry& y) { return x.is_of(y); }); });
    };
    // From the last to the first: what a synced one has set must not be undone by an earlier one that is not.
    std::vector<bool> is_synced(name_changes_.size(), false);
    for (std::size_t i = name_changes_.size(); i-- > 0;) {
      for (Entry& entry : name_changes_[i]) entry.is_synced = entry.is_synced || entry.directory == directory;
      is_synced[i] = std::all_of(name_changes_[i].begin(), name_changes_[i].end(), [](const Entry& entry) { return entry.is_synced; });
      for (std::size_t later = i + 1; later < name_changes_.size(); ++later)
        if (is_synced[later] && share_a_name(name_changes_[i], name_changes_[later])) is_synced[i] = true;
    }
    std::vector<NameChange> left;
    for (std::size_t i = 0; i < name_changes_.size(); ++i)
      if (is_synced[i])
        apply(name_changes_[i], &Node::synced_names);
      else
        left.push_back(std::move(name_changes_[i]));
    name_changes_ = std::move(left);
  }

  /// All that any subset of the changes leads to, in an order that depends on the names alone.
  std::vector<NodePointer> nodes() const {
    std::vector<NodePointer> found = {root_};
    std::set<const Node*> known = {root_.get()};
    const auto add = [&](const NodePointer& node) {
      if (node && known.insert(node.get()).second) found.push_back(node);
    };
    for (std::size_t i = 0; i < found.size(); ++i) {
      const NodePointer node = found[i];
      for (const auto* names : {&node->synced_names, &node->names})
        for (const auto& [name, child] : *names) add(child);
      for (const NameChange& change : name_changes_)
        for (const Entry& entry : change)
          if (entry.directory == node) add(entry.node);
    }
    return found;
  }
  void lose(const std::vector<bool>& kept) {
    const std::vector<NodePointer> all = nodes();
    for (const auto& node : all) node->names = node->synced_names;
    std::size_t at = 0;
    for (const NameChange& change : name_changes_)
      if (kept.at(at++)) apply(change, &Node::names);
    name_changes_.clear();
    for (const auto& node : all) {
      node->lose(kept, at);
      node->synced_names = node->names;
    }
  }
  static void describe(const Node& node, std::string& text) {
    text += std::to_string(static_cast<int>(node.kind)) + to_hex(digest_of(node.data)) + node.target + "{";
    for (const auto& [name, child] : node.names) {
      text += name + "/";
      describe(*child, text);
    }
    text += "}";
  }
  static NodePointer copy(const Node& node, Copies& copies) {
    if (const auto found = copies.find(&node); found != copies.end()) return found->second;
    const auto made = copies[&node] = std::make_shared<Node>(node.kind, node.target);
    made->data = node.data;
    made->synced_data = node.synced_data;
    made->unsynced = node.unsynced;
    for (const auto& [name, child] : node.names) made->names[name] = copy(*child, copies);
    for (const auto& [name, child] : node.synced_names) made->synced_names[name] = copy(*child, copies);
    return made;
  }

  mutable std::mutex mutex_;
  std::uint64_t available_ = UINT64_MAX;
  NodePointer root_;
  std::vector<NameChange> name_changes_;  // not synced, in the order in which they were made
};

}  // namespace holdfast
