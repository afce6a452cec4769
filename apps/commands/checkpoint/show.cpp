// `holdfast ckpt show`: what one checkpoint holds. The manifest tells that; figures of the values need all bytes and are asked for.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/commands/checkpoint/arguments.h"
#include "apps/commands/checkpoint/commands.h"
#include "apps/commands/checkpoint/progress_line.h"
#include "apps/commands/checkpoint/targets.h"
#include "checkpoint/format/statistics.h"
#include "checkpoint/format/stored_tensor.h"
#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

using nlohmann::json;
using Statistics = std::vector<std::vector<TensorStatistics>>;  // by tensor; empty: not asked for

std::vector<PieceIndex::Place> pieces_of(const PieceIndex& index, const TensorInfo& tensor, int world_size) {
  std::vector<PieceIndex::Place> pieces;
  for (int rank = 0; rank < (tensor.kind == TensorKind::per_rank ? world_size : 1); ++rank)
    for (const PieceIndex::Place& place : index.pieces(tensor, rank)) pieces.push_back(place);
  return pieces;
}

json tensor_to_json(const PieceIndex& index, const TensorInfo& tensor, int world_size) {
  json pieces = json::array();
  for (const PieceIndex::Place& place : pieces_of(index, tensor, world_size))
    pieces.push_back({{"shard", place.shard->file},
                      {"rank", place.shard->rank},
                      {"file_offset", place.piece->file_offset},
                      {"offset", place.piece->slice.offset},
                      {"count", place.piece->slice.count}});
  return {{"name", tensor.name},   {"dtype", name_of(tensor.dtype)}, {"kind", name_of(tensor.kind)},
          {"shape", tensor.shape}, {"bytes", tensor.bytes()},        {"pieces", std::move(pieces)}};
}

void print_json(const Path& path, const Manifest& manifest, const Statistics& statistics) {
  const PieceIndex index(manifest);
  json tensors = json::array(), shards = json::array();
  for (std::size_t i = 0; i < manifest.tensors.size(); ++i) {
    const TensorInfo& tensor = manifest.tensors[i];
    tensors.push_back(tensor_to_json(index, tensor, manifest.world_size));
    if (statistics.empty()) continue;
    for (const TensorStatistics& figures : statistics[i]) tensors.back()["statistics"].push_back(to_json(figures, tensor.dtype));
  }
  for (const ShardRecord& shard : manifest.shards)
    shards.push_back({{"file", shard.file}, {"rank", shard.rank}, {"host", shard.host}, {"bytes", shard.bytes}});
  fmt::print("{}\n", json{{"path", path.string()},
                          {"id", manifest.id},
                          {"step", manifest.global_step},
                          {"version", manifest.version},
                          {"world_size", manifest.world_size},
                          {"attempt", manifest.attempt},
                          {"created", manifest.created},
                          {"role", manifest.role},
                          {"is_resumable", manifest.is_resumable},
                          {"original", manifest.original.empty() ? json() : json(manifest.original)},
                          {"transformed", manifest.transformed},
                          {"entries", manifest.entries},
                          {"parameter_hash", to_hex(state_hash(manifest, kModelPrefix))},
                          {"retention", manifest.retention},
                          {"state", manifest.state},
                          {"options", manifest.options},
                          {"environment", manifest.environment},
                          {"shards", std::move(shards)},
                          {"tensors", std::move(tensors)}}
                         .dump(2));
}

std::string number_text(long double value, DType dtype) {
  const json number = to_json(value, dtype);
  return number.is_number_float() ? fmt::format("{:.6g}", number.get<double>())
         : number.is_string()     ? number.get<std::string>()
                                  : number.dump();
}

/// "0@4096,1@8192": the shard of rank 0 from its byte 4096 on, and so forth.
std::string places_text(const std::vector<PieceIndex::Place>& pieces, int of_rank) {
  std::string text;
  for (const PieceIndex::Place& place : pieces)
    if (of_rank < 0 || place.shard->rank == of_rank)
      text += fmt::format("{}{}@{}", text.empty() ? "" : ",", place.shard->rank, place.piece->file_offset);
  return text.empty() ? "-" : text;
}

class Table {
 public:
  Table(const Manifest& manifest, bool has_figures) : manifest_(manifest), index_(manifest), has_figures_(has_figures) {
    for (const TensorInfo& tensor : manifest.tensors) width_ = std::max(width_, tensor.name.size());
    const std::string figures = has_figures ? fmt::format("  {:>12}  {:>12}  {:>12}  {:>8}", "min", "max", "mean", "nan") : "";
    fmt::print("\n  {:<{}}  {:<9}  {:<11}  {:<20}  {:>12}{}  {}\n", "tensor", width_, "dtype", "kind", "shape", "bytes", figures,
               "shard@offset");
  }
  void print(const TensorInfo& tensor, const TensorStatistics& figures) const {
    const std::string text = has_figures_
                                 ? fmt::format("  {:>12}  {:>12}  {:>12}  {:>8}", number_text(figures.min, tensor.dtype),
                                               number_text(figures.max, tensor.dtype), fmt::format("{:.6g}", figures.mean), figures.nans)
                                 : "";
    fmt::print("  {:<{}}  {:<9}  {:<11}  {:<20}  {:>12}{}  {}\n", tensor.name, width_, name_of(tensor.dtype), name_of(tensor.kind),
               fmt::format("[{}]", fmt::join(tensor.shape, ", ")), tensor.bytes(), text,
               places_text(pieces_of(index_, tensor, manifest_.world_size), figures.rank));
  }

 private:
  const Manifest& manifest_;
  PieceIndex index_;
  bool has_figures_;
  std::size_t width_ = 6;
};

void print_text(const Path& path, const Manifest& manifest, const Statistics& statistics) {
  fmt::print(
      "{}\n  id             {}\n  step           {}\n  ranks          {}\n  attempt        {}\n  created        {}\n  role           {}{}\n"
      "  parameter hash {}\n  state          {}\n  environment    {}\n",
      path.string(), manifest.id, manifest.global_step, manifest.world_size, manifest.attempt, manifest.created, manifest.role,
      manifest.is_resumable ? "" : " (not resumable)", to_hex(state_hash(manifest, kModelPrefix)), manifest.state.dump(),
      manifest.environment.dump());
  if (!manifest.original.empty()) fmt::print("  original       {}\n", manifest.original);
  if (!manifest.transformed.empty()) fmt::print("  transformed    {}\n", fmt::join(manifest.transformed, ", "));
  const Table table(manifest, !statistics.empty());
  for (std::size_t i = 0; i < manifest.tensors.size(); ++i) {
    if (statistics.empty())
      table.print(manifest.tensors[i], {});
    else
      for (const TensorStatistics& figures : statistics[i]) table.print(manifest.tensors[i], figures);
  }
}

}  // namespace

int show_checkpoint_command(const Words& words) {
  boost::program_options::options_description options;
  options.add_options()("json", "")("stats", "");
  const CheckpointArguments arguments("show", words, 1, options);
  const auto files = make_posix_file_system();
  const Path path = newest_of(*files, arguments.path());
  const Manifest manifest = while_it_is_there(*files, path, [&] { return read_manifest(*files, path); });
  Statistics statistics;
  if (arguments.has("stats")) {
    require_readable(path);
    ProgressLine line(path.string());
    statistics = while_it_is_there(*files, path, [&] {
      return tensor_statistics(*files, path, manifest, [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); });
    });
  }
  arguments.has("json") ? print_json(path, manifest, statistics) : print_text(path, manifest, statistics);
  return kExitOk;
}

}  // namespace holdfast
