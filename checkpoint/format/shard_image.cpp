#include "checkpoint/format/shard_image.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/format/skeleton.h"

namespace holdfast {
namespace {

constexpr std::size_t kWriteBytes = std::size_t{8} << 20;

std::size_t round_up(std::uint64_t bytes) {
  return static_cast<std::size_t>((bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment);
}

/// Everything but the sync.
std::unique_ptr<WritableFile> write_unsynced(FileSystem& files, const Path& path, const ShardImage& image, const ShardWriteHooks& hooks) {
  const auto wait_until_staged = [&](std::uint64_t end) {
    if (hooks.wait_until_staged) hooks.wait_until_staged(end);
  };
  const std::span<const std::byte> bytes = image.bytes();
  auto file = files.create_direct(path);
  const std::size_t head = round_up(image.layout().head.size());
  bool is_half_written = false;
  for (std::size_t at = head; at < bytes.size(); at += kWriteBytes) {
    const std::size_t end = std::min(bytes.size(), at + kWriteBytes);
    if (hooks.half_way && !is_half_written && end > bytes.size() / 2) hooks.half_way();
    is_half_written = is_half_written || end > bytes.size() / 2;
    wait_until_staged(end);
    file->write_at(at, bytes.subspan(at, end - at));
  }
  if (hooks.half_way && !is_half_written) hooks.half_way();
  wait_until_staged(bytes.size());
  // The head last: without it no reader takes the file for an HDF5 file.
  file->write_at(0, bytes.first(head));
  file->truncate(image.layout().file_bytes);
  return file;
}

}  // namespace

ShardLayout lay_out_shard(std::vector<ShardPiece> pieces, int rank, int world_size) {
  ShardLayout layout{.pieces = std::move(pieces), .rank = rank, .world_size = world_size};
  build_skeleton(layout);
  return layout;
}

ShardImage::ShardImage(ShardLayout layout) : layout_(std::move(layout)), memory_(round_up(layout_.file_bytes)) {
  std::copy(layout_.head.begin(), layout_.head.end(), memory_.bytes().begin());
}

std::span<std::byte> ShardImage::place(std::size_t piece) const {
  return memory_.bytes().subspan(layout_.offsets[piece], layout_.pieces[piece].bytes());
}

void write_image(FileSystem& files, const Path& path, const ShardImage& image, const ShardWriteHooks& hooks) {
  auto file = write_unsynced(files, path, image, hooks);
  try {
    file->sync();
  } catch (const StorageError& error) {
    log_warning("{}; writing {} again", error.what(), path.string());
    files.remove_file(path);
    file = write_unsynced(files, path, image, {.wait_until_staged = hooks.wait_until_staged, .half_way = {}});
    file->sync();
  }
  file->close();
}

ShardRecord record_of(const ShardLayout& layout, const std::string& file, std::vector<std::vector<Digest>> blocks) {
  ShardRecord record{
      .file = file, .rank = layout.rank, .bytes = layout.file_bytes, .head_bytes = layout.head.size(), .head = digest_of(layout.head)};
  for (std::size_t i = 0; i < layout.pieces.size(); ++i)
    record.pieces.push_back({layout.pieces[i].tensor.name, layout.pieces[i].slice, layout.offsets[i], std::move(blocks[i])});
  return record;
}

}  // namespace holdfast
