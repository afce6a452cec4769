// Checkpoints made for tests by the format's own functions alone, and ways to damage them.
#pragma once

#include <fstream>
#include <functional>

#include "base/digest.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest.h"
#include "written_shard.h"

namespace holdfast {

/// A whole tensor; of a per-rank one what rank 0 has (rank r has r added to each byte).
struct MadeTensor {
  TensorInfo info;
  std::vector<std::byte> bytes;
};

template <class T>
MadeTensor made_of(std::string name, DType dtype, std::vector<std::int64_t> shape, const std::vector<T>& values,
                   TensorKind kind = TensorKind::replicated) {
  const auto bytes = std::as_bytes(std::span(values));
  return {{std::move(name), dtype, std::move(shape), kind}, {bytes.begin(), bytes.end()}};
}

/// Bytes that look random and are the same in every run.
inline MadeTensor made(std::string name, DType dtype, std::vector<std::int64_t> shape, TensorKind kind = TensorKind::replicated,
                       std::uint64_t seed = 1) {
  MadeTensor tensor{{std::move(name), dtype, std::move(shape), kind}, {}};
  tensor.bytes.resize(tensor.info.bytes());
  for (std::byte& byte : tensor.bytes) byte = static_cast<std::byte>((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 56);
  return tensor;
}

struct CheckpointFacts {
  std::int64_t step = 10;
  int version = 0;
  int world_size = 2;
  nlohmann::json state = {{"samples_seen", 160}};
};

/// What `rank` stores of `tensor`: blocks are dealt out in runs; a tensor of one block goes whole to rank `index % world size`.
inline Slice slice_of(const MadeTensor& tensor, std::size_t index, int rank, int world_size) {
  const std::int64_t elements = tensor.info.elements();
  const auto block = static_cast<std::int64_t>(kDigestBlockBytes / size_of(tensor.info.dtype));
  if (tensor.info.kind == TensorKind::per_rank) return {0, elements};
  if (elements <= block) return static_cast<int>(index) % world_size == rank ? Slice{0, elements} : Slice{0, -1};
  const std::int64_t blocks = (elements + block - 1) / block;
  const std::int64_t from = blocks * rank / world_size * block, to = std::min(elements, blocks * (rank + 1) / world_size * block);
  return from < to ? Slice{from, to - from} : Slice{0, -1};
}

inline ShardRecord make_shard(FileSystem& files, const Path& directory, std::span<const MadeTensor> tensors, const CheckpointFacts& facts,
                              int rank) {
  std::vector<std::vector<std::byte>> bytes;
  std::vector<PieceBytes> pieces;
  bytes.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Slice slice = slice_of(tensors[i], i, rank, facts.world_size);
    if (slice.count < 0) continue;
    const auto element = static_cast<std::int64_t>(size_of(tensors[i].info.dtype));
    const auto begin = tensors[i].bytes.begin() + slice.offset * element;
    bytes.emplace_back(begin, begin + slice.count * element);
    if (tensors[i].info.kind == TensorKind::per_rank)
      for (std::byte& byte : bytes.back()) byte = static_cast<std::byte>(static_cast<int>(byte) + rank);
    pieces.push_back({tensors[i].info, slice, bytes.back()});
  }
  return write_shard(files, directory / shard_name(rank, facts.world_size), pieces, rank, facts.world_size);
}

/// Writes a committed checkpoint below `checkpoints` and returns its directory.
inline Path make_checkpoint(FileSystem& files, const Path& checkpoints, std::span<const MadeTensor> tensors,
                            const CheckpointFacts& facts = {}) {
  const Path directory = checkpoints / directory_name({facts.step, facts.version});
  make_directories(files, directory);
  Manifest manifest{.id = "0123456789abcdef",
                    .global_step = facts.step,
                    .version = facts.version,
                    .attempt = 1,
                    .world_size = facts.world_size,
                    .created = "2024-01-01T00:00:00Z",
                    .entries = {"default"},
                    .state = facts.state,
                    .options = {{"task", "none"}},
                    .environment = {{"threads_per_rank", 1}}};
  for (const MadeTensor& tensor : tensors) manifest.tensors.push_back(tensor.info);
  for (int rank = 0; rank < facts.world_size; ++rank) manifest.shards.push_back(make_shard(files, directory, tensors, facts, rank));
  const std::string text = to_text(manifest);
  const auto file = files.create(directory / kManifestName);
  file->write_at(0, std::as_bytes(std::span(text.data(), text.size())));
  file->close();
  return directory;
}

/// Puts `text` in the place of a file's.
inline void replace_text(const Path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(text.data(), static_cast<std::streamsize>(text.size()));
}

inline void flip_bit(const Path& path, std::uint64_t byte, int bit = 0) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  char value = 0;
  file.seekg(static_cast<std::streamoff>(byte)).read(&value, 1);
  value = static_cast<char>(value ^ (1 << bit));
  file.seekp(static_cast<std::streamoff>(byte)).write(&value, 1);
}

/// The text with a checksum that is right for it.
inline std::string with_checksum(std::string text) {
  const std::string key = "\"checksum\": \"";
  const std::size_t at = text.rfind(key) + key.size();
  text.replace(at, 32, 32, '0');
  return text.replace(at, 32, to_hex(digest_of(text)));
}

/// Changes the manifest as someone would who also knows how to make the checksum right again.
inline void edit_manifest(FileSystem& files, const Path& checkpoint, const std::function<void(nlohmann::ordered_json&)>& edit) {
  auto manifest = nlohmann::ordered_json::parse(read_text(files, checkpoint / kManifestName));
  edit(manifest);
  replace_text(checkpoint / kManifestName, with_checksum(manifest.dump(2)));
}

}  // namespace holdfast
