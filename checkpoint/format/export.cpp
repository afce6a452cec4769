#include "checkpoint/format/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <set>

#include "base/error.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/shard_image.h"
#include "checkpoint/format/stored_tensor.h"

namespace holdfast {
namespace {

static_assert(std::endian::native == std::endian::little, "all three formats store little-endian numbers");

/// One tensor of the export.
struct Source {
  TensorInfo info;  // under its new name
  const TensorInfo* stored = nullptr;
  int rank = 0;  // whose, of a per-rank tensor
};

/// A file to be written: its head, and where the bytes of which tensor belong.
struct PlannedFile {
  struct Place {
    std::size_t source = 0;
    std::uint64_t offset = 0;
  };
  Path name;  // below the output; empty: the output itself
  std::vector<std::byte> head;
  std::vector<Place> places;
  std::uint64_t bytes = 0;
};

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

std::vector<Source> select(const Manifest& manifest, ExportScope scope) {
  constexpr std::string_view kModel = kModelPrefix;
  std::vector<Source> sources;
  for (const TensorInfo& tensor : manifest.tensors) {
    if (scope == ExportScope::model && !tensor.name.starts_with(kModel)) continue;
    const std::string name = scope == ExportScope::model ? tensor.name.substr(kModel.size()) : tensor.name;
    if (tensor.kind != TensorKind::per_rank) {
      sources.push_back({{name, tensor.dtype, tensor.shape}, &tensor});
      continue;
    }
    for (int rank = 0; rank < manifest.world_size; ++rank)
      sources.push_back({{fmt::format("rank-{}/{}", rank, name), tensor.dtype, tensor.shape}, &tensor, rank});
  }
  return sources;
}

const char* safetensors_name(DType dtype) {
  switch (dtype) {
    case DType::u8: return "U8";
    case DType::i8: return "I8";
    case DType::i16: return "I16";
    case DType::i32: return "I32";
    case DType::i64: return "I64";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::f32: return "F32";
    case DType::f64: return "F64";
    case DType::boolean: return "BOOL";
  }
  throw std::logic_error("a dtype without a name in safetensors");
}

/// The length of the header, the header (JSON, filled up with blanks to a multiple of 8), the tensors without gaps. Widest elements
/// first, then by name, as the reference writer does: so that each lies on a multiple of its element.
std::vector<PlannedFile> plan_safetensors(const Manifest& manifest, const std::vector<Source>& sources) {
  std::vector<std::size_t> order(sources.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const TensorInfo &left = sources[a].info, &right = sources[b].info;
    return std::tuple(-static_cast<int>(size_of(left.dtype)), left.name) < std::tuple(-static_cast<int>(size_of(right.dtype)), right.name);
  });
  PlannedFile file;
  nlohmann::json header = {
      {"__metadata__",
       {{"format", "pt"}, {"checkpoint_id", manifest.id}, {"global_step", std::to_string(manifest.global_step)}, {"role", manifest.role}}}};
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    const TensorInfo& info = sources[i].info;
    file.places.push_back({i, end});
    header[info.name] = {{"dtype", safetensors_name(info.dtype)}, {"shape", info.shape}, {"data_offsets", {end, end + info.bytes()}}};
    end += info.bytes();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  file.head.resize(sizeof length);
  std::copy_n(reinterpret_cast<const std::byte*>(&length), sizeof length, file.head.begin());
  const std::vector<std::byte> header_bytes = bytes_of(text);
  file.head.insert(file.head.end(), header_bytes.begin(), header_bytes.end());
  for (PlannedFile::Place& place : file.places) place.offset += file.head.size();
  file.bytes = file.head.size() + end;
  return {std::move(file)};
}

std::vector<PlannedFile> plan_hdf5(const std::vector<Source>& sources) {
  std::vector<ShardPiece> pieces;
  for (const Source& source : sources) pieces.push_back({source.info, {0, source.info.elements()}});
  ShardLayout layout = lay_out_shard(std::move(pieces), 0, 1);
  PlannedFile file{.name = {}, .head = std::move(layout.head), .places = {}, .bytes = layout.file_bytes};
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (sources[i].info.bytes() > 0) file.places.push_back({i, layout.offsets[i]});
  return {std::move(file)};
}

const char* numpy_name(DType dtype) {
  switch (dtype) {
    case DType::u8: return "|u1";
    case DType::i8: return "|i1";
    case DType::i16: return "<i2";
    case DType::i32: return "<i4";
    case DType::i64: return "<i8";
    case DType::f16: return "<f2";
    case DType::bf16: return "<u2";
    case DType::f32: return "<f4";
    case DType::f64: return "<f8";
    case DType::boolean: return "|b1";
  }
  throw std::logic_error("a dtype without a name in NumPy");
}

/// Magic, version 1.0, length of the header, the header (a Python dict, filled up with blanks so that the data lie on a multiple of 64).
std::vector<std::byte> numpy_head(const TensorInfo& info) {
  constexpr std::size_t kAlignment = 64, kBeforeHeader = 10;
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", numpy_name(info.dtype),
                                   fmt::join(info.shape, ", "), info.shape.size() == 1 ? "," : "");
  header.append((kAlignment - (kBeforeHeader + header.size() + 1) % kAlignment) % kAlignment, ' ');
  header += '\n';
  std::string text("\x93NUMPY\x01\x00", 8);
  text += static_cast<char>(header.size() & 0xff);
  text += static_cast<char>(header.size() >> 8);
  return bytes_of(text + header);
}

std::vector<PlannedFile> plan_numpy(const Path& checkpoint, const std::vector<Source>& sources) {
  std::vector<PlannedFile> planned;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const TensorInfo& info = sources[i].info;
    const Path name = info.name + ".npy";
    if (name.is_absolute() || name.lexically_normal() != name || *name.begin() == "..")
      throw CorruptCheckpoint(ErrorText{.attempted = "export " + checkpoint.string(),
                                        .expected = "names of tensors that stay inside a directory",
                                        .found = info.name,
                                        .next = "export to safetensors or hdf5, where a name is no path"});
    PlannedFile file{.name = name, .head = numpy_head(info), .places = {}, .bytes = 0};
    file.places.push_back({i, file.head.size()});
    file.bytes = file.head.size() + info.bytes();
    planned.push_back(std::move(file));
  }
  return planned;
}

std::vector<PlannedFile> plan(const Manifest& manifest, const Path& checkpoint, const std::vector<Source>& sources, ExportFormat format) {
  switch (format) {
    case ExportFormat::safetensors: return plan_safetensors(manifest, sources);
    case ExportFormat::hdf5: return plan_hdf5(sources);
    case ExportFormat::numpy: break;
  }
  return plan_numpy(checkpoint, sources);
}

/// Writes the files of the plan below `directory` (or as `directory`, where their name is empty), and syncs them and what leads to them.
void write_files(FileSystem& files, const Path& directory, const std::vector<PlannedFile>& planned,
                 const std::function<std::vector<std::byte>(std::size_t source)>& read) {
  std::set<Path> made;
  for (const PlannedFile& file : planned) {
    const Path path = file.name.empty() ? directory : directory / file.name;
    if (!file.name.empty() && made.insert(path.parent_path()).second) make_directories(files, path.parent_path());
    const auto written = files.create(path);
    written->write_at(0, file.head);
    for (const PlannedFile::Place& place : file.places) written->write_at(place.offset, read(place.source));
    written->truncate(file.bytes);
    written->sync();
    written->close();
  }
  for (const Path& below : made) files.sync_directory(below);
}

}  // namespace

std::optional<ExportFormat> export_format_from(std::string_view name) {
  if (name == "safetensors") return ExportFormat::safetensors;
  if (name == "hdf5") return ExportFormat::hdf5;
  if (name == "numpy") return ExportFormat::numpy;
  return std::nullopt;
}

ExportResult export_checkpoint(FileSystem& files, const Path& checkpoint, const Path& output, ExportFormat format, ExportScope scope,
                               const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const Manifest manifest = read_manifest(files, checkpoint);
  const std::vector<Source> sources = select(manifest, scope);
  const std::vector<PlannedFile> planned = plan(manifest, checkpoint, sources, format);
  if (files.kind(output) != FileKind::none)
    throw StorageError(ErrorText{.attempted = "export to " + output.string(),
                                 .expected = "a name that is free",
                                 .found = "something of that name",
                                 .next = "remove it, or give another name"});
  ExportResult result{.tensors = sources.size()};
  std::uint64_t total = 0;
  for (const Source& source : sources) total += source.info.bytes();
  TensorReader reader(files, checkpoint, manifest);
  const Path pending = output.string() + ".pending";
  remove_tree(files, pending);
  if (format == ExportFormat::numpy) make_directories(files, pending);  // also where there is no tensor at all
  try {
    write_files(files, pending, planned, [&](std::size_t i) {
      std::vector<std::byte> bytes = reader.read(*sources[i].stored, sources[i].rank);
      result.bytes += bytes.size();
      if (progress) progress(result.bytes, total);
      return bytes;
    });
    files.rename_new(pending, output);
    files.sync_directory(output.has_parent_path() ? output.parent_path() : ".");
  } catch (const Error&) {
    remove_tree(files, pending);
    throw;
  }
  return result;
}

}  // namespace holdfast
