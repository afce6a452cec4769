#include "checkpoint/engine/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <unordered_map>

#include "base/error.h"
#include "checkpoint/engine/answers.h"
#include "checkpoint/format/windows.h"

namespace holdfast {
namespace {

bool is_wanted(const std::string& name, RestoreScope scope) { return scope == RestoreScope::everything || name.starts_with(kModelPrefix); }

/// Begins anew where the checkpoint lacks it, and is given up where the run has it no more.
bool may_be_of_one_side(const std::string& name) {
  return name.starts_with(kAveragePrefix) || (name.starts_with(kRngPrefix) && name != kCpuRng);  // a device's, where the run changes it
}

}  // namespace

void require_same_tensors(const Path& checkpoint, const Manifest& manifest, std::span<const StateEntry> targets, RestoreScope scope) {
  const std::string next =
      "resume with the configuration that wrote it (it is in its manifest), or start a new run directory; "
      "`init_from` takes only the weights";
  std::unordered_map<std::string_view, const TensorInfo*> stored;
  for (const TensorInfo& info : manifest.tensors)
    if (is_wanted(info.name, scope)) stored[info.name] = &info;
  for (const StateEntry& target : targets) {
    if (!is_wanted(target.info.name, scope)) continue;
    const auto found = stored.find(target.info.name);
    if (found == stored.end() && may_be_of_one_side(target.info.name)) continue;
    const std::string attempted = fmt::format("restore {} from {}", target.info.name, checkpoint.string());
    if (found == stored.end())
      throw ConfigError(
          ErrorText{.attempted = attempted, .expected = describe(target.info), .found = "no tensor of that name", .next = next});
    if (found->second->dtype != target.info.dtype || found->second->shape != target.info.shape)
      throw ConfigError(
          ErrorText{.attempted = attempted, .expected = describe(target.info), .found = describe(*found->second), .next = next});
    stored.erase(found);
  }
  std::erase_if(stored, [](const auto& left) { return may_be_of_one_side(left.second->name); });
  if (!stored.empty())
    throw ConfigError(
        ErrorText{.attempted = "restore from " + checkpoint.string(),
                  .found = fmt::format("{} which this run does not have ({} such tensors)", stored.begin()->first, stored.size()),
                  .next = next});
}

namespace {

bool overlaps(const StateEntry& target, const Slice& piece) {
  return piece.offset < target.slice.offset + target.slice.count && target.slice.offset < piece.offset + piece.count;
}

class Restore {
 public:
  Restore(Communicator& ranks, FileSystem& files, const Path& checkpoint, const Manifest& manifest, std::span<const StateEntry> targets,
          RestoreScope scope)
      : ranks_(ranks), files_(files), checkpoint_(checkpoint), manifest_(manifest) {
    for (const StateEntry& target : targets)
      if (is_wanted(target.info.name, scope)) targets_[target.info.name] = &target;
  }

  RestoreResult run() {
    read_own();
    exchange();
    return std::move(result_);
  }

 private:
  const StateEntry* target_of(const PieceRecord& piece) const {
    const auto found = targets_.find(piece.tensor);
    return found == targets_.end() ? nullptr : found->second;
  }

  /// What only this rank needs: per-rank tensors, and its part of sharded ones.
  void read_own() {
    const int source_rank = ranks_.rank() % manifest_.world_size;
    std::vector<Window> windows;
    for (const ShardRecord& shard : manifest_.shards)
      append(windows, plan_windows(manifest_, shard, [&](const PieceRecord& piece) {
               const StateEntry* target = target_of(piece);
               if (!target || target->info.kind == TensorKind::replicated) return false;
               return target->info.kind == TensorKind::per_rank ? shard.rank == source_rank : overlaps(*target, piece.slice);
             }));
    WindowReader reader(files_, checkpoint_, windows);
    for (WindowReader::Read read = reader.next(); read.window; read = reader.next())
      if (is_good(read)) place(*read.window, read.bytes);
    result_.bytes_read += reader.bytes_read();
  }

  /// What all need: every rank reads a share, and hands on what it has read window by window.
  void exchange() {
    const std::vector<std::vector<Window>> dealt = deal(replicated_windows());
    const std::vector<Window>& mine = dealt[static_cast<std::size_t>(ranks_.rank())];
    std::size_t rounds = 0;
    for (const std::vector<Window>& windows : dealt) rounds = std::max(rounds, windows.size());
    WindowReader reader(files_, checkpoint_, mine);
    HugeBuffer received(ranks_.size() > 1 ? kWindowBytes : 0);
    for (std::size_t round = 0; round < rounds; ++round) {
      // Its own first: the others wait for it, and what it waits for is already on its way.
      const WindowReader::Read own = reader.next();
      const bool is_own_good = !own.window || is_good(own);
      for (int rank = 0; rank < ranks_.size(); ++rank) {
        const std::vector<Window>& windows = dealt[static_cast<std::size_t>(rank)];
        if (round >= windows.size()) continue;
        const bool is_mine = rank == ranks_.rank();
        hand_on(windows[round], rank, is_mine ? own.bytes : received.bytes().first(size_of(windows[round])), is_mine && is_own_good);
      }
    }
    result_.bytes_read += reader.bytes_read();
  }
  static std::size_t size_of(const Window& window) { return static_cast<std::size_t>(window.end() - window.begin()); }

  void hand_on(const Window& window, int owner, std::span<std::byte> bytes, bool is_good_here) {
    std::byte is_good{is_good_here};
    ranks_.broadcast(std::span(&is_good, 1), owner);
    if (is_good == std::byte{0}) return;  // its owner reports why
    ranks_.broadcast(bytes, owner);
    place(window, bytes);
  }

  std::vector<Window> replicated_windows() const {
    std::vector<Window> windows;
    for (const ShardRecord& shard : manifest_.shards)
      append(windows, plan_windows(manifest_, shard, [&](const PieceRecord& piece) {
               const StateEntry* target = target_of(piece);
               return target && target->info.kind == TensorKind::replicated;
             }));
    return windows;
  }
  /// Runs of about the same number of bytes: a function of the manifest and the number of ranks alone.
  std::vector<std::vector<Window>> deal(std::vector<Window> windows) const {
    std::vector<std::vector<Window>> dealt(static_cast<std::size_t>(ranks_.size()));
    std::uint64_t total = 0, before = 0;
    for (const Window& window : windows) total += size_of(window);
    for (Window& window : windows) {
      const std::size_t rank = static_cast<std::size_t>(before * dealt.size() / total);
      before += size_of(window);
      dealt[rank].push_back(std::move(window));
    }
    return dealt;
  }
  static void append(std::vector<Window>& windows, std::vector<Window> more) {
    std::move(more.begin(), more.end(), std::back_inserter(windows));
  }

  bool is_good(const WindowReader::Read& read) {
    std::string failure = read.damage.empty() ? "" : read.damage.front().text;
    if (read.failure) failure = failure_of([&] { std::rethrow_exception(read.failure); });
    if (result_.failure.empty()) result_.failure = failure;
    return failure.empty();
  }

  /// Into the live tensors. What a tensor throws is kept: the other ranks go on with their broadcasts.
  void place(const Window& window, std::span<const std::byte> bytes) {
    const std::string failure = failure_of([&] {
      for (const StoredBlock& block : window.blocks)
        copy_overlap(*target_of(*block.piece), block, bytes.subspan(block.file_offset - window.begin(), block.bytes));
    });
    if (result_.failure.empty()) result_.failure = failure;
  }
  static void copy_overlap(const StateEntry& target, const StoredBlock& block, std::span<const std::byte> bytes) {
    const auto element = static_cast<std::int64_t>(holdfast::size_of(target.info.dtype));
    const auto first = block.piece->slice.offset + static_cast<std::int64_t>(block.number * kDigestBlockBytes) / element,
               last = first + static_cast<std::int64_t>(block.bytes) / element;
    const std::int64_t begin = std::max(first, target.slice.offset), end = std::min(last, target.slice.offset + target.slice.count);
    if (begin >= end) return;
    target.copy_from(static_cast<std::uint64_t>((begin - target.slice.offset) * element),
                     bytes.subspan(static_cast<std::size_t>((begin - first) * element), static_cast<std::size_t>((end - begin) * element)));
  }

  Communicator& ranks_;
  FileSystem& files_;
  const Path& checkpoint_;
  const Manifest& manifest_;
  std::unordered_map<std::string_view, const StateEntry*> targets_;
  RestoreResult result_;
};

}  // namespace

RestoreResult restore_tensors(Communicator& ranks, FileSystem& files, const Path& checkpoint, const Manifest& manifest,
                              std::span<const StateEntry> targets, RestoreScope scope) {
  return Restore(ranks, files, checkpoint, manifest, targets, scope).run();
}

}  // namespace holdfast
