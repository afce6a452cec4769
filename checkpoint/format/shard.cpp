#include "checkpoint/format/shard.h"

#include <fmt/format.h>

#include <stdexcept>

#include "base/error.h"
#include "checkpoint/format/skeleton.h"

namespace holdfast {

ShardRecord write_shard(FileSystem& files, const Path& path, std::span<const ShardPiece> pieces, const ShardTags& tags,
                        const std::function<void()>& half_way) {
  for (const ShardPiece& piece : pieces)
    if (piece.data.size() != static_cast<std::size_t>(piece.slice.count) * size_of(piece.tensor.dtype))
      throw std::invalid_argument("a piece of " + piece.tensor.name + " whose data has not the size of its slice");
  const Skeleton skeleton = build_skeleton(pieces, tags);
  ShardRecord record{.file = path.filename().string(),
                     .rank = tags.rank,
                     .bytes = skeleton.file_bytes,
                     .head_bytes = skeleton.head.size(),
                     .head = digest_of(skeleton.head)};
  for (std::size_t i = 0; i < pieces.size(); ++i)
    record.pieces.push_back({pieces[i].tensor.name, pieces[i].slice, skeleton.offsets[i], block_digests(pieces[i].data)});
  const auto file = files.create(path);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (half_way && i == pieces.size() / 2) half_way();
    if (!pieces[i].data.empty()) file->write_at(skeleton.offsets[i], pieces[i].data);
  }
  // The head last: without it no reader takes the file for an HDF5 file.
  file->write_at(0, skeleton.head);
  file->truncate(skeleton.file_bytes);
  file->sync();
  file->close();
  return record;
}

ShardReader::ShardReader(FileSystem& files, const Path& checkpoint, const ShardRecord& record)
    : record_(record), where_((checkpoint / record.file).string()) {
  const auto refuse = [this](const std::string& expected, const std::string& found) {
    throw CorruptCheckpoint(
        ErrorText{.attempted = "read the shard " + where_, .expected = expected, .found = found, .next = "use another checkpoint"});
  };
  if (files.kind(checkpoint / record.file) != FileKind::file) refuse("a file", "none");
  file_ = files.open(checkpoint / record.file);
  if (file_->size() != record.bytes) refuse(fmt::format("{} bytes", record.bytes), fmt::format("{}", file_->size()));
  std::vector<std::byte> head(record.head_bytes);
  file_->read_at(0, head);
  const Digest found = digest_of(head);
  if (found != record.head) refuse(fmt::format("a head of {} bytes with digest {}", record.head_bytes, to_hex(record.head)), to_hex(found));
}

void ShardReader::read(const PieceRecord& piece, std::size_t element_bytes, std::span<std::byte> into) const {
  if (into.size() != static_cast<std::size_t>(piece.slice.count) * element_bytes)
    throw std::invalid_argument("a buffer that has not the piece's size");
  if (into.empty()) return;
  file_->read_at(piece.file_offset, into);
  const std::vector<Digest> found = block_digests(into);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == piece.blocks.at(i)) continue;
    throw CorruptCheckpoint(ErrorText{.attempted = fmt::format("read the shard {}, dataset {}, block {} (from byte {} of the file)", where_,
                                                               piece.tensor, i, piece.file_offset + i * kDigestBlockBytes),
                                      .expected = "digest " + to_hex(piece.blocks[i]),
                                      .found = to_hex(found[i]),
                                      .next = "use another checkpoint"});
  }
}

}  // namespace holdfast
