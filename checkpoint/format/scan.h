// Reading all bytes of a checkpoint at the speed of the device: several shards at a time, each in windows that are read ahead;
// everything is checked against the manifest. What verify and statistics have in common. Without MPI or LibTorch.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/windows.h"

namespace holdfast {

/// Gets bytes done and bytes in all. From one thread at a time, but not always the same.
using ReadProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// One fault. `text` says it all: "read the shard CHECKPOINT/shard-00001-of-00002.h5, dataset model/0.weight, block 3 (from byte
/// 3147776 of the file): expected digest ..., found ...". `shard` and `dataset` are empty where it concerns none.
struct Finding {
  std::string shard, dataset;
  std::int64_t block = -1;   // of the dataset; -1: it concerns none
  std::int64_t offset = -1;  // of that block, bytes of the file
  std::string text;
};

/// Gets every sound block with its bytes: of one shard from one thread, in the order of the file; of several at the same time.
using BlockVisitor = std::function<void(const ShardRecord& shard, const StoredBlock& block, std::span<const std::byte> bytes)>;

/// What is wrong with the shards, in their order; of each dataset the first bad block. What `visit` throws is a finding, too.
std::vector<Finding> scan_shards(FileSystem& files, const Path& checkpoint, const Manifest& manifest, const BlockVisitor& visit = {},
                                 const ReadProgress& progress = {});

}  // namespace holdfast
