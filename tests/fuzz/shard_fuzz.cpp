// A shard of any bytes is refused, or what is read from it is what was saved. With a manifest whose digests were made to fit, what is read
// is what lies at the manifest's offsets: whatever the HDF5 in the file says, nobody asks it.
#include "base/error.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/stored_tensor.h"
#include "checkpoint/format/verify.h"
#include "fuzzed_checkpoint.h"
#include "oracle.h"

namespace holdfast {
namespace {

/// The bytes of every tensor, or nothing: refused.
std::optional<std::vector<std::vector<std::byte>>> read_all(FileSystem& files, const Path& checkpoint) {
  try {
    const Manifest manifest = read_manifest(files, checkpoint);
    std::vector<std::vector<std::byte>> all;
    for (const TensorInfo& tensor : manifest.tensors)
      for (int rank = 0; rank < (tensor.kind == TensorKind::per_rank ? manifest.world_size : 1); ++rank)
        all.push_back(TensorReader(files, checkpoint, manifest).read(tensor, rank));
    return all;
  } catch (const CorruptCheckpoint& error) {
    must(std::string(error.what()).find(shard_name(1, 2)) != std::string::npos, "an error that does not name the shard");
    return std::nullopt;
  }
}

void put(FileSystem& files, const Path& path, std::span<const std::byte> bytes) {
  files.remove_file(path);
  files.create(path)->write_at(0, bytes);
}

/// The record of the shard as somebody would write it who knows the format.
bool fit(ShardRecord& record, const Manifest& manifest, std::span<const std::byte> bytes) {
  if (bytes.size() < record.bytes) return false;
  record.bytes = bytes.size();
  record.head = digest_of(bytes.first(record.head_bytes));
  for (PieceRecord& piece : record.pieces)
    for (const TensorInfo& tensor : manifest.tensors)
      if (tensor.name == piece.tensor)
        piece.blocks = block_digests(bytes.subspan(piece.file_offset, static_cast<std::size_t>(piece.slice.count) * size_of(tensor.dtype)));
  return true;
}

void check_fitted(MemoryFileSystem& files, const Path& checkpoint, std::span<const std::byte> bytes) {
  Manifest manifest = read_manifest(files, checkpoint);
  if (!fit(manifest.shards[1], manifest, bytes)) return;
  const std::string text = to_text(manifest);
  put(files, checkpoint / kManifestName, std::as_bytes(std::span(text.data(), text.size())));
  must(verify_checkpoint(files, checkpoint).empty(), "a shard that fits its manifest is refused");
  for (const PieceRecord& piece : manifest.shards[1].pieces)
    for (const TensorInfo& tensor : manifest.tensors) {
      if (tensor.name != piece.tensor || piece.slice != Slice{0, tensor.elements()}) continue;
      const auto read = TensorReader(files, checkpoint, manifest).read(tensor, 1);
      must(std::equal(read.begin(), read.end(), bytes.begin() + static_cast<std::ptrdiff_t>(piece.file_offset)),
           "other bytes than those there");
    }
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  static const FuzzedCheckpoint sound;
  static const auto saved = read_all(*std::make_unique<MemoryFileSystem>(sound.files()), sound.path());
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  MemoryFileSystem files(sound.files());
  put(files, sound.path() / shard_name(1, 2), bytes);
  const auto read = read_all(files, sound.path());
  must(read.has_value() == verify_checkpoint(files, sound.path()).empty(), "verify and a restore disagree");
  must(!read || read == saved, "other values than those that were saved");
  check_fitted(files, sound.path(), bytes);
  return 0;
}
