// manifest.json: the commit record of a checkpoint, written last, by rank 0. It names every shard with its size and
// digests, every tensor with its pieces, and all state that is not a tensor. docs/checkpoint-format.md is the written form.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/file_system.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/tensor.h"

namespace holdfast {

inline constexpr int kFormatVersion = 1;

/// Where a piece of a tensor lies in a shard.
struct PieceRecord {
  std::string tensor;  // TensorInfo::name
  Slice slice;
  std::uint64_t file_offset = 0;  // bytes
  std::vector<Digest> blocks;     // of the piece's bytes, kDigestBlockBytes each
};

/// What a rank reports of the shard that it wrote.
struct ShardRecord {
  std::string file;
  int rank = 0;
  std::string host;
  std::uint64_t bytes = 0;       // exact size of the file
  std::uint64_t head_bytes = 0;  // everything before the first piece: HDF5's metadata
  Digest head;                   // digest of those bytes
  std::vector<PieceRecord> pieces;
};

inline constexpr const char *kOriginal = "original", *kEmergency = "emergency", *kWeightsOnly = "weights_only",
                            *kTransformedPrefix = "transformed:";

struct Manifest {
  std::string id;  // random, names this state for ever
  std::int64_t global_step = 0;
  int version = 0;  // as in CheckpointName
  int attempt = 0;
  int world_size = 0;
  std::string created;           // UTC
  std::string role = kOriginal;  // original | transformed:NAME | emergency (saved by on_exception) | weights_only
  bool is_resumable = true;
  std::string original;              // id of the state that transformed weights were made of; empty: it is no transformed one
  std::vector<std::string> entries;  // names of the `checkpoints:` entries that asked for it
  std::vector<TensorInfo> tensors;
  std::vector<ShardRecord> shards;  // by rank
  /// Names of transformed copies of its weights: each a checkpoint of its own in the directory of that name.
  std::vector<std::string> transformed = {};
  nlohmann::json retention;    // what the policy of the run's checkpoints has decided, this state included; null: nothing
  nlohmann::json state;        // the trainer's: position, counters, schedules, metrics history
  nlohmann::json options;      // the resolved configuration
  nlohmann::json environment;  // versions, hosts, threads, bucket layout: what bits depend on besides
};

/// The directory that a state with this manifest has its place in.
CheckpointName own_name(const Manifest& manifest);

/// A record as it stands in a manifest: one JSON object on one line.
std::string to_text(const ShardRecord& shard);

/// The file's text: JSON whose member "checksum" holds the XXH3-128 of the same text with that value's 32 digits as '0'.
std::string to_text(const Manifest& manifest);
/// The same in two parts, so that every rank makes the text of its own shard while it writes: everything that is known when a save
/// begins, and the whole from that, the texts of the shards, by rank, and the transformed copies that have succeeded.
std::string facts_text(const Manifest& manifest);
std::string manifest_text(std::string facts, std::span<const std::string> shards, std::span<const std::string> transformed = {});
/// Checks checksum, version, that names stay inside the directory, that pieces lie inside tensors and files and cover every
/// tensor exactly. Throws CorruptCheckpoint: what, expected, found, next.
Manifest manifest_from_text(const std::string& text, const std::string& where);
/// The part of that check which concerns several fields. Throws CorruptCheckpoint.
void require_consistent(const Manifest& manifest, const std::string& where);
/// Likewise, without tensors and shards, and so in no time: for lists of checkpoints.
Manifest facts_from_text(const std::string& text, const std::string& where);
/// Throw CorruptCheckpoint likewise, and when it is no file (a link would lead out of the checkpoint, a pipe would never end), StorageError
/// when it cannot be read.
std::string read_manifest_text(FileSystem& files, const Path& checkpoint);
Manifest read_facts(FileSystem& files, const Path& checkpoint);
Manifest read_manifest(FileSystem& files, const Path& checkpoint);

}  // namespace holdfast
