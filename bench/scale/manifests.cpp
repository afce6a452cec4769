#include "bench/scale/manifests.h"

#include <fmt/format.h>

#include "base/error.h"
#include "bench/scale/big_model.h"
#include "bench/scale/counted_memory.h"
#include "checkpoint/engine/partition.h"
#include "checkpoint/engine/replicas.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/shard_image.h"
#include "checkpoint/store/commit.h"

namespace holdfast {
namespace {

constexpr std::int64_t kStep = 1000, kSave = 1;

/// As many as the slice has blocks, each its own; the same on every rank, as those of sound replicas are.
std::vector<Digest> digests_of(const StateEntry& entry, const Part& part) {
  const auto element = static_cast<std::uint64_t>(size_of(entry.info.dtype));
  const std::uint64_t first = static_cast<std::uint64_t>(part.slice.offset) * element,
                      bytes = static_cast<std::uint64_t>(part.slice.count) * element;
  std::vector<Digest> digests;
  for (std::uint64_t at = 0; at < bytes; at += kDigestBlockBytes)
    digests.push_back(digest_of(fmt::format("{} {}", entry.info.name, first + at)));
  return digests;
}

std::vector<std::vector<Digest>> digests_of(const std::vector<StateEntry>& entries, const std::vector<Part>& parts) {
  std::vector<std::vector<Digest>> all;
  for (const Part& part : parts) all.push_back(digests_of(entries[part.entry], part));
  return all;
}

}  // namespace

Records records_of_big_model(int ranks) {
  const std::vector<StateEntry> entries = big_model();
  Records records;
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<Part> parts = parts_of_rank(entries, rank, ranks);
    std::vector<ShardPiece> pieces;
    for (const Part& part : parts) pieces.push_back({entries[part.entry].info, part.slice});
    ShardLayout layout;
    records.layout_seconds += seconds_of([&] { layout = lay_out_shard(std::move(pieces), rank, ranks); });
    ShardRecord record = record_of(layout, shard_name(rank, ranks), digests_of(entries, parts));
    record.host = fmt::format("node{:05d}", rank / 8);
    records.shards.push_back(to_text(record));
    records.reports.push_back(replica_report(digests_of(entries, replicated_parts(entries, rank, ranks)),
                                             digests_of(entries, replicated_parts(entries, checked_rank(rank, ranks, kSave), ranks))));
  }
  return records;
}

std::string facts_of_big_model(int ranks) {
  Manifest facts{.id = "00000000000000000000000000000000",
                 .global_step = kStep,
                 .attempt = 1,
                 .world_size = ranks,
                 .created = "2026-01-01T00:00:00.000Z",
                 .entries = {"regular"}};
  for (const StateEntry& entry : big_model()) facts.tensors.push_back(entry.info);
  return facts_text(facts);
}

std::vector<Figure> measure_manifests(const ScaleTask& task) {
  const auto files = make_posix_file_system();
  const Path directory = Path(task.directory) / "manifest";
  const std::vector<StateEntry> entries = big_model();
  const Records records = records_of_big_model(task.ranks);
  Figure compared{.way = "manifest.replicas", .ranks = task.ranks}, made{.way = "manifest.make", .ranks = task.ranks},
      written{.way = "manifest.write", .ranks = task.ranks}, loaded{.way = "manifest.load", .ranks = task.ranks};
  for (int number = 0; number < task.repeat; ++number) {
    std::optional<Disagreement> disagreement;
    compared.seconds.push_back(seconds_of([&] { disagreement = find_disagreement(entries, records.reports, kSave); }));
    if (disagreement) throw Error("replicas that are the same are said to disagree", kExitSoftware);
    std::string text;
    CountedMemory::forget();
    CountedMemory::count(true);
    made.seconds.push_back(seconds_of([&] { text = manifest_text(facts_of_big_model(task.ranks), records.shards); }));
    CountedMemory::count(false);
    made.facts = {{"bytes", text.size()}, {"memory_bytes", CountedMemory::peak_bytes()}};
    remove_tree(*files, directory);
    make_directories(*files, directory);
    written.seconds.push_back(seconds_of([&] { write_manifest(*files, directory, text); }));
    Manifest manifest;
    CountedMemory::forget();
    CountedMemory::count(true);
    loaded.seconds.push_back(seconds_of([&] { manifest = read_manifest(*files, directory); }));
    CountedMemory::count(false);
    if (to_text(manifest) != text) throw Error("the manifest that was loaded is another one", kExitSoftware);
    loaded.facts = {{"memory_bytes", CountedMemory::peak_bytes()}};
  }
  std::uint64_t gathered = 0;
  for (int rank = 0; rank < task.ranks; ++rank)
    gathered += records.shards[static_cast<std::size_t>(rank)].size() + records.reports[static_cast<std::size_t>(rank)].size();
  made.facts["gathered_bytes"] = gathered;
  made.facts["parameters"] = parameters_of(entries);
  made.facts["layout_seconds_a_rank"] = records.layout_seconds / task.ranks;
  remove_tree(*files, directory);
  return {compared, made, written, loaded};
}

}  // namespace holdfast
