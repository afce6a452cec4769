#include "checkpoint/format/scan.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "checkpoint/format/shard.h"

namespace holdfast {
namespace {

constexpr std::size_t kShardsAtATime = 4;

class ShardScan {
 public:
  ShardScan(FileSystem& files, const Path& checkpoint, const Manifest& manifest, const ShardRecord& shard, const BlockVisitor& visit,
            const std::function<void(std::uint64_t)>& advance)
      : files_(files), checkpoint_(checkpoint), manifest_(manifest), shard_(shard), visit_(visit), advance_(advance) {}

  /// Everything that is wrong with it.
  std::vector<Finding> run() {
    try {
      const std::vector<Window> windows = plan_windows(manifest_, shard_, [](const PieceRecord&) { return true; });
      WindowReader reader(files_, checkpoint_, windows);
      const ShardReader head(files_, checkpoint_, shard_);  // while the first windows are read
      advance_(shard_.head_bytes);
      for (WindowReader::Read read = reader.next(); read.window; read = reader.next()) take(read);
    } catch (const Error& error) {
      add(error.what());
    } catch (const std::exception& error) {  // out of memory, say; leaving the thread, it would end the program
      add(to_string({.attempted = "read the shard " + (checkpoint_ / shard_.file).string(), .cause = error.what()}));
    } catch (...) {
      add(to_string({.attempted = "read the shard " + (checkpoint_ / shard_.file).string(), .cause = "an error without a text"}));
    }
    return std::move(findings_);
  }

 private:
  void add(std::string text) { findings_.push_back({.shard = shard_.file, .dataset = {}, .text = std::move(text)}); }

  void take(const WindowReader::Read& read) {
    if (read.failure) std::rethrow_exception(read.failure);
    std::set<const StoredBlock*> bad;
    for (const Damage& damage : read.damage) {
      bad.insert(damage.block);
      const std::string& dataset = damage.block->piece->tensor;
      if (findings_.empty() || findings_.back().dataset != dataset)  // the first bad block of each tells enough
        findings_.push_back({shard_.file, dataset, static_cast<std::int64_t>(damage.block->number),
                             static_cast<std::int64_t>(damage.block->file_offset), damage.text});
    }
    if (visit_)
      for (const StoredBlock& block : read.window->blocks)
        if (!bad.contains(&block)) visit_(shard_, block, read.bytes.subspan(block.file_offset - read.window->begin(), block.bytes));
    advance_(read.bytes.size());
  }

  FileSystem& files_;
  const Path& checkpoint_;
  const Manifest& manifest_;
  const ShardRecord& shard_;
  const BlockVisitor& visit_;
  const std::function<void(std::uint64_t)>& advance_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> scan_shards(FileSystem& files, const Path& checkpoint, const Manifest& manifest, const BlockVisitor& visit,
                                 const ReadProgress& progress) {
  std::vector<std::vector<Finding>> of_shard(manifest.shards.size());
  std::mutex mutex;
  std::uint64_t done = 0, total = 0;
  for (const ShardRecord& shard : manifest.shards) total += shard.bytes;
  const std::function<void(std::uint64_t)> advance = [&](std::uint64_t bytes) {
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
          of_shard[number] = ShardScan(files, checkpoint, manifest, manifest.shards[number], visit, advance).run();
      });
  }
  std::vector<Finding> findings;
  for (std::vector<Finding>& found : of_shard) findings.insert(findings.end(), found.begin(), found.end());
  return findings;
}

}  // namespace holdfast
