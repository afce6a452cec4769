#include "checkpoint/format/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/shard.h"

namespace holdfast {
namespace {

/// Everything that is wrong with one shard.
void verify_shard(FileSystem& files, const Path& checkpoint, const Manifest& manifest, const ShardRecord& shard,
                  std::vector<Finding>& findings, const std::function<void(std::uint64_t)>& advance) {
  try {
    const ShardReader reader(files, checkpoint, shard);
    advance(shard.head_bytes);
    std::vector<std::byte> buffer;
    for (const PieceRecord& piece : shard.pieces) {
      const auto tensor =
          std::find_if(manifest.tensors.begin(), manifest.tensors.end(), [&](const TensorInfo& t) { return t.name == piece.tensor; });
      const std::size_t element = size_of(tensor->dtype);
      buffer.resize(static_cast<std::size_t>(piece.slice.count) * element);
      try {
        reader.read(piece, element, buffer);
      } catch (const Error& error) {
        findings.push_back({shard.file, piece.tensor, error.what()});
      }
      advance(buffer.size());
    }
  } catch (const Error& error) {
    findings.push_back({shard.file, "", error.what()});
  }
}

}  // namespace

std::vector<Finding> verify_checkpoint(FileSystem& files, const Path& checkpoint,
                                       const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  Manifest manifest;
  try {
    manifest = read_manifest(files, checkpoint);
  } catch (const Error& error) {
    return {{"", "", error.what()}};
  }
  std::vector<Finding> findings;
  const auto name = parse_directory_name(checkpoint.filename().string());
  if (name && *name != CheckpointName{manifest.global_step, manifest.version})
    findings.push_back(
        {"", "",
         fmt::format("{}: expected {}, by its manifest", checkpoint.string(), directory_name({manifest.global_step, manifest.version}))});
  std::uint64_t done = 0, total = 0;
  std::set<std::string> expected = {kManifestName};
  for (const ShardRecord& shard : manifest.shards) {
    total += shard.bytes;
    expected.insert(shard.file);
  }
  for (const std::string& file : files.list(checkpoint))
    if (!expected.contains(file))
      findings.push_back({file, "", fmt::format("{}: no part of this checkpoint", (checkpoint / file).string())});
  for (const ShardRecord& shard : manifest.shards)
    verify_shard(files, checkpoint, manifest, shard, findings, [&](std::uint64_t bytes) {
      done += bytes;
      if (progress) progress(done, total);
    });
  return findings;
}

}  // namespace holdfast
