#include "bench/scale/worked_example.h"

#include <algorithm>
#include <bit>

#include "bench/scale/big_model.h"
#include "bench/scale/manifests.h"
#include "bench/scale/traffic.h"
#include "bench/scale/words.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/windows.h"
#include "dist/vote.h"
#include "launch/lease/word_seconds.h"

namespace holdfast {
namespace {

constexpr int kRanksOfHost = 8;
constexpr double kSegmentBytes = 32 << 10;                     // of a chain, as in traffic.cpp
constexpr double kLatencySeconds = 5e-6, kLinkBytes = 12.5e9;  // of one message; a second, of one host: 100 Gbit/s

double seconds(const Traffic& traffic) { return traffic.seconds(kLatencySeconds, kLinkBytes); }

/// When the last rank is through with a restore's exchange: for each window a byte that says whether it is good, through a tree, then its
/// bytes along a chain, from one rank after the other. A rank goes on with the next broadcast as soon as it has, and has passed on, all of
/// this one, so that windows follow each other along the chain. Of a link that everything passes one after the other.
double exchange_seconds(int ranks, std::uint64_t windows, double window_bytes) {
  const auto count = static_cast<std::size_t>(ranks);
  const double hop = kLatencySeconds + kSegmentBytes / kLinkBytes, pass = window_bytes / kLinkBytes;
  std::vector<double> done(count, 0);
  for (std::uint64_t window = 0; window < windows; ++window) {
    const std::size_t root = static_cast<std::size_t>(window) % count;
    const auto rank_of = [&](std::size_t number) { return (root + number) % count; };
    for (std::size_t number = 1; number < count; ++number)
      done[rank_of(number)] = std::max(done[rank_of(number)], done[rank_of(number - std::bit_floor(number))] + kLatencySeconds);
    done[root] += pass;
    for (std::size_t number = 1; number < count; ++number)
      done[rank_of(number)] = std::max(done[rank_of(number)] + pass, done[rank_of(number - 1)] + hop);
  }
  return *std::max_element(done.begin(), done.end());
}

nlohmann::json step_of(int ranks, double parameters) {
  const int of_host = std::min(ranks, kRanksOfHost), hosts = (ranks + of_host - 1) / of_host;
  const double gradients = 4 * parameters, between_hosts = ring_all_reduce_bytes(hosts, gradients);
  const Traffic vote = allgather_traffic(ranks, sizeof(Vote));
  return {{"gradient_bytes", gradients},
          {"ring_bytes_a_rank", ring_all_reduce_bytes(ranks, gradients)},
          {"two_level_bytes_a_rank", between_hosts / of_host},
          {"two_level_bytes_a_host", between_hosts},
          {"two_level_link_seconds", between_hosts / kLinkBytes},
          {"vote_bytes_a_rank", vote.serial_bytes},
          {"vote_seconds", seconds(vote)},
          {"word_bytes_a_second", static_cast<double>(word_of(0, 1000, 200).dump().size() + 1) * ranks / word_seconds(ranks)}};
}

/// What travels when a checkpoint is committed: the two gathers, and four short broadcasts.
nlohmann::json checkpoint_of(int ranks, const Records& records, std::uint64_t state_bytes) {
  std::vector<std::uint64_t> shards, reports;
  for (const std::string& shard : records.shards) shards.push_back(shard.size());
  for (const std::string& report : records.reports) reports.push_back(report.size());
  Traffic commit = gather_traffic(shards);
  commit += gather_traffic(reports);
  const std::string manifest = manifest_text(facts_of_big_model(ranks), records.shards);
  const Traffic handed_out = broadcast_traffic(ranks, manifest.size(), 0);
  // A window is whole in one shard: of n shards there are n at least.
  const std::uint64_t windows = std::max<std::uint64_t>(static_cast<std::uint64_t>(ranks), (state_bytes + kWindowBytes - 1) / kWindowBytes);
  return {{"state_bytes", state_bytes},
          {"shard_bytes_a_rank", state_bytes / static_cast<std::uint64_t>(ranks)},
          {"manifest_bytes", manifest.size()},
          {"gathered_bytes", commit.rank0_bytes},
          {"gather_seconds", seconds(commit)},
          {"manifest_broadcast_seconds", seconds(handed_out)},
          {"restore_windows", windows},
          {"restore_link_seconds", static_cast<double>(state_bytes) / kLinkBytes},
          {"restore_seconds", exchange_seconds(ranks, windows, static_cast<double>(state_bytes) / static_cast<double>(windows))}};
}

}  // namespace

std::vector<Figure> measure_worked_example(const ScaleTask& task) {
  const std::vector<StateEntry> entries = big_model();
  std::uint64_t bytes = 0;
  for (const StateEntry& entry : entries)
    bytes += entry.info.bytes() * (entry.info.kind == TensorKind::per_rank ? static_cast<std::uint64_t>(task.ranks) : 1);
  return {{.way = "example.step", .ranks = task.ranks, .facts = step_of(task.ranks, static_cast<double>(parameters_of(entries)))},
          {.way = "example.checkpoint", .ranks = task.ranks, .facts = checkpoint_of(task.ranks, records_of_big_model(task.ranks), bytes)}};
}

}  // namespace holdfast
