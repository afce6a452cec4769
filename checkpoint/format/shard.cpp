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

void ShardReader::read(const PieceRecord& piece, std::size_t first_block, std::span<std::byte> into) const {
  if (into.empty()) return;
  const std::uint64_t begin = piece.file_offset + first_block * kDigestBlockBytes;
  file_->read_at(begin, into);
  const std::vector<Digest> found = block_digests(into);
  if (first_block + found.size() > piece.blocks.size()) throw std::invalid_argument("more blocks than the piece has");
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Digest& expected = piece.blocks[first_block + i];
    if (found[i] == expected) continue;
    throw CorruptCheckpoint(ErrorText{.attempted = fmt::format("read the shard {}, dataset {}, block {} (from byte {} of the file)", where_,
                                                               piece.tensor, first_block + i, begin + i * kDigestBlockBytes),
                                      .expected = "digest " + to_hex(expected),
                                      .found = to_hex(found[i]),
                                      .next = "use another checkpoint"});
  }
}

}  // namespace holdfast
