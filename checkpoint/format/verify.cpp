#include "checkpoint/format/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/shard.h"
#include "checkpoint/format/windows.h"

namespace holdfast {
namespace {

constexpr std::size_t kShardsAtATime = 4;

/// Everything that is wrong with one shard. `advance` hears of bytes done.
std::vector<Finding> verify_shard(FileSystem& files, const Path& checkpoint, const Manifest& manifest, const ShardRecord& shard,
                                  const std::function<void(std::uint64_t)>& advance) {
  std::vector<Finding> findings;
  try {
    const std::vector<Window> windows = plan_windows(manifest, shard, [](const PieceRecord&) { return true; });
    WindowReader reader(files, checkpoint, windows);
    const ShardReader head(files, checkpoint, shard);  // while the first windows are read
    advance(shard.head_bytes);
    for (WindowReader::Read read = reader.next(); read.window; read = reader.next()) {
      if (read.failure) std::rethrow_exception(read.failure);
      for (const Damage& damage : read.damage)
        if (findings.empty() || findings.back().dataset != damage.piece->tensor)  // the first bad block of each tells enough
          findings.push_back({shard.file, damage.piece->tensor, damage.text});
      advance(read.bytes.size());
    }
  } catch (const Error& error) {
    findings.push_back({shard.file, "", error.what()});
  }
  return findings;
}

/// All shards, several at a time; findings in the order of the shards.
void verify_shards(FileSystem& files, const Path& checkpoint, const Manifest& manifest,
                   const std::function<void(std::uint64_t, std::uint64_t)>& progress, std::vector<Finding>& findings) {
  std::vector<std::vector<Finding>> of_shard(manifest.shards.size());
  std::mutex mutex;
  std::uint64_t done = 0, total = 0;
  for (const ShardRecord& shard : manifest.shards) total += shard.bytes;
  const auto advance = [&](std::uint64_t bytes) {
    const std::lock_guard lock(mutex);
    done += bytes;
    if (progress) progress(done, total);
  };
  {
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < std::min(kShardsAtATime, manifest.shards.size()); ++i)
      threads.emplace_back([&] {
        for (std::size_t number = next++; number < manifest.shards.size(); number = next++)
          of_shard[number] = verify_shard(files, checkpoint, manifest, manifest.shards[number], advance);
      });
  }
  for (std::vector<Finding>& found : of_shard) findings.insert(findings.end(), found.begin(), found.end());
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
  std::set<std::string> expected = {kManifestName};
  for (const ShardRecord& shard : manifest.shards) expected.insert(shard.file);
  for (const std::string& file : files.list(checkpoint))
    if (!expected.contains(file))
      findings.push_back({file, "", fmt::format("{}: no part of this checkpoint", (checkpoint / file).string())});
  verify_shards(files, checkpoint, manifest, progress, findings);
  return findings;
}

}  // namespace holdfast
