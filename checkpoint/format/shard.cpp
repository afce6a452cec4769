#include "checkpoint/format/shard.h"

#include <fmt/format.h>

#include <stdexcept>

#include "base/error.h"

namespace holdfast {

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
