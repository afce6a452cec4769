#include "checkpoint/format/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kThreads = 3;  // some read while another checks what it has read
constexpr std::size_t kSlots = 4;

std::uint64_t round_down(std::uint64_t bytes) { return bytes / kDirectAlignment * kDirectAlignment; }

}  // namespace

std::vector<Window> plan_windows(const Manifest& manifest, const ShardRecord& shard,
                                 const std::function<bool(const PieceRecord&)>& is_wanted) {
  std::unordered_map<std::string_view, std::size_t> element_bytes;
  for (const TensorInfo& tensor : manifest.tensors) element_bytes[tensor.name] = size_of(tensor.dtype);
  std::vector<StoredBlock> blocks;
  for (const PieceRecord& piece : shard.pieces) {
    if (!is_wanted(piece)) continue;
    const std::uint64_t bytes = static_cast<std::uint64_t>(piece.slice.count) * element_bytes.at(piece.tensor);
    for (std::uint64_t at = 0; at < bytes; at += kDigestBlockBytes)
      blocks.push_back({&piece, at / kDigestBlockBytes, piece.file_offset + at, std::min<std::uint64_t>(kDigestBlockBytes, bytes - at)});
  }
  std::stable_sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) { return a.file_offset < b.file_offset; });
  std::vector<Window> windows;
  for (const StoredBlock& block : blocks) {
    const std::uint64_t end = block.file_offset + block.bytes;
    // A gap is read over where that costs less than another read.
    const bool fits = !windows.empty() && end - windows.back().begin() <= kWindowBytes &&
                      block.file_offset <= windows.back().end() + kDigestBlockBytes / 16;
    if (!fits) windows.push_back({.shard = &shard, .blocks = {}});
    windows.back().blocks.push_back(block);
  }
  return windows;
}

WindowReader::WindowReader(FileSystem& files, Path checkpoint, std::span<const Window> windows)
    : files_(files), checkpoint_(std::move(checkpoint)), windows_(windows), slots_(std::min(kSlots, windows.size())) {
  for (std::size_t i = 0; i < std::min(kThreads, slots_.size()); ++i) threads_.emplace_back([this] { work(); });
}

WindowReader::~WindowReader() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
}

void WindowReader::work() {
  while (true) {
    std::size_t number = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return is_over_ || begun_ == windows_.size() || begun_ < given_back_ + slots_.size(); });
      if (is_over_ || begun_ == windows_.size()) return;
      number = begun_++;
    }
    Slot& slot = slots_[number % slots_.size()];
    slot.failure = nullptr;
    slot.damage.clear();
    try {
      fill(slot, windows_[number]);
    } catch (...) {
      slot.failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      slot.is_full = true;
    }
    changed_.notify_all();
  }
}

std::unique_ptr<ReadableFile> WindowReader::open(const ShardRecord& shard) const {
  const Path path = checkpoint_ / shard.file;
  const auto refuse = [&](const std::string& expected, const std::string& found) {
    throw CorruptCheckpoint(
        ErrorText{.attempted = "read the shard " + path.string(), .expected = expected, .found = found, .next = "use another checkpoint"});
  };
  if (files_.kind(path) != FileKind::file) refuse("a file", "none");
  auto file = files_.open_direct(path);
  if (file->size() != shard.bytes) refuse(fmt::format("{} bytes", shard.bytes), fmt::format("{}", file->size()));
  return file;
}

void WindowReader::fill(Slot& slot, const Window& window) {
  // Each window opens its file: that costs microseconds, and the threads share none.
  const auto file = open(*window.shard);
  const std::uint64_t begin = round_down(window.begin());
  slot.skipped = window.begin() - begin;
  if (slot.memory.bytes().empty()) slot.memory = HugeBuffer(kWindowBytes + 2 * kDirectAlignment);  // here: not all before the first read
  const std::uint64_t bytes = std::min(round_down(window.end() + kDirectAlignment - 1), window.shard->bytes) - begin;
  file->read_at(begin, slot.memory.bytes().first(bytes));
  {
    const std::lock_guard lock(mutex_);
    bytes_read_ += bytes;
  }
  check(slot, window);
}

void WindowReader::check(Slot& slot, const Window& window) const {
  const std::span<const std::byte> bytes = slot.memory.bytes().subspan(slot.skipped);
  for (const StoredBlock& block : window.blocks) {
    const Digest found = digest_of(bytes.subspan(block.file_offset - window.begin(), block.bytes)),
                 &expected = block.piece->blocks.at(block.number);
    if (found == expected) continue;
    slot.damage.push_back(
        {&block, to_string(ErrorText{.attempted = fmt::format("read the shard {}, dataset {}, block {} (from byte {} of the file)",
                                                              (checkpoint_ / window.shard->file).string(), block.piece->tensor,
                                                              block.number, block.file_offset),
                                     .expected = "digest " + to_hex(expected),
                                     .found = to_hex(found),
                                     .next = "use another checkpoint"})});
  }
}

WindowReader::Read WindowReader::next() {
  std::unique_lock lock(mutex_);
  if (taken_ > given_back_) {
    slots_[given_back_ % slots_.size()].is_full = false;
    ++given_back_;
    changed_.notify_all();
  }
  if (taken_ == windows_.size()) return {};
  Slot& slot = slots_[taken_ % slots_.size()];
  changed_.wait(lock, [&] { return slot.is_full; });
  const Window& window = windows_[taken_++];
  if (slot.failure) return {.window = &window, .bytes = {}, .damage = {}, .failure = slot.failure};
  return {&window, slot.memory.bytes().subspan(slot.skipped, window.end() - window.begin()), slot.damage, {}};
}

std::uint64_t WindowReader::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return bytes_read_;
}

}  // namespace holdfast
