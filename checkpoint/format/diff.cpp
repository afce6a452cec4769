#include "checkpoint/format/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "checkpoint/format/copies.h"
#include "checkpoint/format/element.h"
#include "checkpoint/format/stored_tensor.h"

namespace holdfast {
namespace {

/// Adds what differs in a run of elements that begins at `first`. Elements with the same bits are equal, NaN included.
void compare_values(TensorDifference& difference, std::int64_t first, std::span<const std::byte> a, std::span<const std::byte> b,
                    DType dtype) {
  const std::size_t element = size_of(dtype);
  for (std::size_t at = 0; at < a.size(); at += element) {
    if (std::memcmp(&a[at], &b[at], element) == 0) continue;
    if (difference.elements++ == 0) difference.first_index = first + static_cast<std::int64_t>(at / element);
    const double x = value_at(&a[at], dtype), y = value_at(&b[at], dtype), absolute = std::abs(x - y),
                 scale = std::max(std::abs(x), std::abs(y)), relative = scale > 0 && std::isfinite(absolute) ? absolute / scale : absolute;
    // NaN, once it is there, stays the largest.
    difference.max_absolute = std::isnan(absolute) ? absolute : std::max(difference.max_absolute, absolute);
    difference.max_relative = std::isnan(absolute) ? absolute : std::max(difference.max_relative, relative);
  }
}

std::vector<std::int64_t> place_of(std::int64_t index, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> place(shape.size());
  for (std::size_t i = shape.size(); i-- > 0; index /= shape[i]) place[i] = index % shape[i];
  return place;
}

std::map<std::string, TensorInfo> by_name(const Manifest& manifest) {
  std::map<std::string, TensorInfo> tensors;
  for (const TensorInfo& tensor : manifest.tensors) tensors[tensor.name] = tensor;
  return tensors;
}

/// A tensor of which some block differs.
struct Suspect {
  std::string name;
  TensorInfo info;
  std::vector<std::pair<TensorBlock, TensorBlock>> blocks;  // those that differ; none: the two are cut at different places
  int rank = 0;
  std::size_t position = 0;  // of its difference
};

class Comparison {
 public:
  Comparison(FileSystem& files, const Path& a, const Manifest& of_a, const Path& b, const Manifest& of_b)
      : a_(of_a), b_(of_b), reader_a_(files, a, a_), reader_b_(files, b, b_) {}

  /// `has_state`: that of the trainer is compared, too.
  std::vector<TensorDifference> run(bool has_state, const ReadProgress& progress) {
    const auto in_a = by_name(a_), in_b = by_name(b_);
    for (const auto& [name, tensor] : in_a) {
      const auto other = in_b.find(name);
      if (other == in_b.end())
        add(name, "only in A");
      else
        compare(tensor, other->second);
    }
    for (const auto& [name, tensor] : in_b)
      if (!in_a.contains(name)) add(name, "only in B");
    if (has_state) compare_state("state", &a_.state, &b_.state);
    read_suspects(progress);
    return std::move(differences_);
  }

 private:
  void add(const std::string& tensor, const std::string& what) { differences_.push_back({.tensor = tensor, .what = what}); }

  void compare(const TensorInfo& a, const TensorInfo& b) {
    if (a.dtype != b.dtype) add(a.name, "dtype");
    if (a.shape != b.shape) add(a.name, "shape");
    if (a.dtype != b.dtype || a.shape != b.shape) return;
    if (a.kind != TensorKind::per_rank) return compare_digests(a.name, a, 0);
    for (int rank = 0; rank < std::max(a_.world_size, b_.world_size); ++rank) {
      const std::string name = fmt::format("{} of rank {}", a.name, rank);
      if (rank >= a_.world_size || rank >= b_.world_size)
        add(name, rank >= b_.world_size ? "only in A" : "only in B");
      else
        compare_digests(name, a, rank);
    }
  }

  void compare_digests(const std::string& name, const TensorInfo& tensor, int rank) {
    const std::vector<TensorBlock> a = reader_a_.index().blocks(tensor, rank), b = reader_b_.index().blocks(tensor, rank);
    const auto is_cut_alike = [](const TensorBlock& x, const TensorBlock& y) { return x.slice == y.slice; };
    Suspect suspect{.name = name, .info = tensor, .blocks = {}, .rank = rank, .position = differences_.size()};
    if (std::equal(a.begin(), a.end(), b.begin(), b.end(), is_cut_alike)) {
      for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i].digest() != b[i].digest()) suspect.blocks.emplace_back(a[i], b[i]);
      if (suspect.blocks.empty()) return;
    }
    add(name, "values");
    suspects_.push_back(std::move(suspect));
  }

  void read_suspects(const ReadProgress& progress) {
    std::uint64_t done = 0, total = 0;
    for (const Suspect& suspect : suspects_) total += bytes_of(suspect);
    for (const Suspect& suspect : suspects_) {
      TensorDifference& difference = differences_[suspect.position];
      const auto told = [&](std::uint64_t bytes) {
        done += bytes;
        if (progress) progress(done, total);
      };
      for (const auto& [a, b] : suspect.blocks) {
        const auto in_a = reader_a_.read(a, suspect.info.dtype), in_b = reader_b_.read(b, suspect.info.dtype);
        compare_values(difference, a.slice.offset, in_a, in_b, suspect.info.dtype);
        told(in_a.size() + in_b.size());
      }
      if (suspect.blocks.empty()) {
        const auto in_a = reader_a_.read(suspect.info, suspect.rank), in_b = reader_b_.read(suspect.info, suspect.rank);
        compare_values(difference, 0, in_a, in_b, suspect.info.dtype);
        told(in_a.size() + in_b.size());
      }
      difference.first_place = place_of(difference.first_index, suspect.info.shape);
    }
    std::erase_if(differences_, [](const TensorDifference& difference) { return difference.what == "values" && difference.elements == 0; });
  }
  static std::uint64_t bytes_of(const Suspect& suspect) {
    if (suspect.blocks.empty()) return 2 * suspect.info.bytes();
    std::uint64_t bytes = 0;
    for (const auto& [a, b] : suspect.blocks) bytes += 2 * static_cast<std::uint64_t>(a.slice.count) * size_of(suspect.info.dtype);
    return bytes;
  }

  /// Null: that side has none.
  void compare_state(const std::string& place, const nlohmann::json* a, const nlohmann::json* b) {
    if (a && b && *a == *b) return;
    const bool are_lists = a && b && a->is_array() && b->is_array();
    if (are_lists && a->size() != b->size()) add(place, fmt::format("{} and {} entries", a->size(), b->size()));
    if (are_lists)
      for (std::size_t i = 0; i < std::min(a->size(), b->size()); ++i) compare_state(fmt::format("{}/{}", place, i), &(*a)[i], &(*b)[i]);
    else if (a && b && a->is_object() && b->is_object())
      compare_members(place, *a, *b);
    else
      add(place, fmt::format("{} and {}", a ? a->dump() : "nothing", b ? b->dump() : "nothing"));
  }
  void compare_members(const std::string& place, const nlohmann::json& a, const nlohmann::json& b) {
    std::set<std::string> keys;
    for (const auto* side : {&a, &b})
      for (const auto& [key, value] : side->items()) keys.insert(key);
    keys.erase("wall_clock");
    const auto member = [](const nlohmann::json& side, const std::string& key) { return side.contains(key) ? &side[key] : nullptr; };
    for (const std::string& key : keys) compare_state(place + "/" + key, member(a, key), member(b, key));
  }

  const Manifest &a_, &b_;
  TensorReader reader_a_, reader_b_;
  std::vector<Suspect> suspects_;
  std::vector<TensorDifference> differences_;
};

std::map<std::string, Manifest> copies_by_name(FileSystem& files, const Path& checkpoint, const Manifest& manifest) {
  std::vector<Manifest> copies = read_copies(files, checkpoint, manifest);
  std::map<std::string, Manifest> by_name;
  for (std::size_t i = 0; i < copies.size(); ++i) by_name[manifest.transformed[i]] = std::move(copies[i]);
  return by_name;
}

}  // namespace

std::vector<TensorDifference> diff_checkpoints(FileSystem& files, const Path& a, const Path& b, const ReadProgress& progress) {
  const Manifest of_a = read_manifest(files, a), of_b = read_manifest(files, b);
  std::vector<TensorDifference> differences = Comparison(files, a, of_a, b, of_b).run(/*has_state=*/true, progress);
  const std::map<std::string, Manifest> in_a = copies_by_name(files, a, of_a), in_b = copies_by_name(files, b, of_b);
  for (const auto& [name, copy] : in_a) {
    const auto other = in_b.find(name);
    if (other == in_b.end()) {
      differences.push_back({.tensor = name, .what = "only in A"});
      continue;
    }
    // What a copy says of the trainer is that of its original.
    for (TensorDifference& difference : Comparison(files, a / name, copy, b / name, other->second).run(/*has_state=*/false, progress)) {
      difference.tensor.insert(0, name + "/");
      differences.push_back(std::move(difference));
    }
  }
  for (const auto& [name, copy] : in_b)
    if (!in_a.contains(name)) differences.push_back({.tensor = name, .what = "only in B"});
  return differences;
}

}  // namespace holdfast
