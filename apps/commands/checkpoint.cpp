#include "apps/commands/checkpoint.h"

#include "apps/commands/simulate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "checkpoint/format/export.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;
using nlohmann::json;

constexpr const char* kUsage = R"(usage: holdfast ckpt COMMAND PATH…

  holdfast ckpt list RUN [--json]        the committed checkpoints of a run directory, oldest first
  holdfast ckpt show PATH [--json]       step, position, tensors with shape, dtype and shards
  holdfast ckpt verify PATH              reads everything and checks it; exit code 65 and the place of any damage
  holdfast ckpt diff A B                 reads and compares all values, whatever the world sizes; exit code 1 when they differ, 65
                                         when one is damaged
  holdfast ckpt export PATH OUTPUT [--format safetensors|hdf5|numpy] [--all]
                                         the model's tensors (--all: every tensor) in the new file OUTPUT, whose ending tells the format:
                                         .safetensors, .h5; for numpy, a directory of .npy files

  holdfast ckpt simulate POLICY.yaml TRACE.jsonl [--json]
                                         what a policy would save, name and remove in a made-up run (docs/retention.md)

PATH is a checkpoint directory, or a run directory: then its newest checkpoint (verify: all of them).
)";

struct Arguments {
  std::string command;
  std::vector<std::string> paths;
  std::string format;
  bool wants_json = false, wants_all = false, wants_help = false;
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  po::options_description options;
  options.add_options()("command", po::value(&arguments.command))("path", po::value(&arguments.paths))(
      "json", po::bool_switch(&arguments.wants_json))("format", po::value(&arguments.format))("all", po::bool_switch(&arguments.wants_all))(
      "help,h", po::bool_switch(&arguments.wants_help));
  try {
    po::variables_map values;
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words)
                  .options(options)
                  .positional(po::positional_options_description().add("command", 1).add("path", -1))
                  .style(style)
                  .run(),
              values);
    po::notify(values);
  } catch (const po::error& error) {
    throw UsageError(fmt::format("holdfast ckpt: {}\n  next: holdfast ckpt --help", error.what()));
  }
  const std::string& command = arguments.command;
  if (arguments.wants_json && (command == "verify" || command == "diff" || command == "export"))
    throw UsageError(fmt::format("holdfast ckpt {}: it prints no JSON\n  next: leave --json out; the exit code tells the result", command));
  if ((arguments.wants_all || !arguments.format.empty()) && !command.empty() && command != "export")
    throw UsageError(fmt::format("holdfast ckpt {}: --format and --all belong to `export`\n  next: leave them out", command));
  return arguments;
}

/// The checkpoints that `path` means, oldest first: itself, or those of a run directory or of its checkpoints/.
std::vector<Path> checkpoints_of(FileSystem& files, const Path& path) {
  if (files.kind(path) == FileKind::file)
    throw DataError(ErrorText{.attempted = "look for checkpoints in " + path.string(),
                              .expected = "the directory of a checkpoint or of a run",
                              .found = "a file",
                              .next = "name the directory that it lies in"});
  if (files.kind(path / kManifestName) == FileKind::file) return {path};
  for (const Path& directory : {RunLayout{path}.checkpoints(), path}) {
    std::vector<Path> found;
    for (const CheckpointName& name : list_checkpoints(files, directory)) found.push_back(directory / directory_name(name));
    if (!found.empty()) return found;
  }
  throw DataError(ErrorText{.attempted = "look for checkpoints in " + path.string(),
                            .expected = "a checkpoint (with manifest.json) or a run directory with at least one",
                            .found = std::filesystem::exists(path) ? "neither" : "nothing of that name"});
}

std::uint64_t bytes_of(const Manifest& manifest) {
  std::uint64_t bytes = 0;
  for (const ShardRecord& shard : manifest.shards) bytes += shard.bytes;
  return bytes;
}

int list(FileSystem& files, const Path& run, bool wants_json) {
  json rows = json::array();
  for (const Path& path : checkpoints_of(files, run)) {
    json row = {{"path", path.string()}};
    try {
      const Manifest manifest = read_manifest(files, path);
      row.update({{"step", manifest.global_step},
                  {"role", manifest.role},
                  {"world_size", manifest.world_size},
                  {"attempt", manifest.attempt},
                  {"bytes", bytes_of(manifest)},
                  {"created", manifest.created},
                  {"entries", manifest.entries},
                  {"parameter_hash", to_hex(state_hash(manifest, "model/"))}});
    } catch (const Error& error) {
      row["error"] = error.what();
    }
    rows.push_back(std::move(row));
  }
  if (wants_json) {
    fmt::print("{}\n", rows.dump(2));
    return kExitOk;
  }
  fmt::print("{:>10}  {:>5}  {:>7}  {:>12}  {:<24}  {:<32}  {}\n", "step", "ranks", "attempt", "bytes", "created", "parameter hash",
             "asked for by");
  for (const json& row : rows) {
    if (row.contains("error"))
      fmt::print("{:>10}  {}: {}\n", "damaged", row["path"].get<std::string>(), row["error"].get<std::string>());
    else
      fmt::print("{:>10}  {:>5}  {:>7}  {:>12}  {:<24}  {:<32}  {}\n", row["step"].get<std::int64_t>(), row["world_size"].get<int>(),
                 row["attempt"].get<int>(), row["bytes"].get<std::uint64_t>(), row["created"].get<std::string>(),
                 row["parameter_hash"].get<std::string>(), fmt::join(row["entries"].get<std::vector<std::string>>(), ", "));
  }
  return kExitOk;
}

std::string shards_of(const Manifest& manifest, const std::string& tensor) {
  std::string text;
  for (const ShardRecord& shard : manifest.shards)
    for (const PieceRecord& piece : shard.pieces)
      if (piece.tensor == tensor) text += fmt::format("{}{}", text.empty() ? "" : ",", shard.rank);
  return text;
}

int show(FileSystem& files, const Path& path, bool wants_json) {
  const Manifest manifest = read_manifest(files, path);
  if (wants_json) {
    fmt::print("{}", to_text(manifest));
    return kExitOk;
  }
  fmt::print(
      "{}\n  id             {}\n  step           {}\n  ranks          {}\n  attempt        {}\n  created        {}\n  role           {}{}\n"
      "  parameter hash {}\n  state          {}\n  environment    {}\n",
      path.string(), manifest.id, manifest.global_step, manifest.world_size, manifest.attempt, manifest.created, manifest.role,
      manifest.is_resumable ? "" : " (not resumable)", to_hex(state_hash(manifest, "model/")), manifest.state.dump(),
      manifest.environment.dump());
  std::size_t width = 6;
  for (const TensorInfo& tensor : manifest.tensors) width = std::max(width, tensor.name.size());
  fmt::print("\n  {:<{}}  {:<9}  {:<11}  {:<20}  {:>12}  {}\n", "tensor", width, "dtype", "kind", "shape", "bytes", "shards");
  for (const TensorInfo& tensor : manifest.tensors)
    fmt::print("  {:<{}}  {:<9}  {:<11}  {:<20}  {:>12}  {}\n", tensor.name, width, name_of(tensor.dtype), name_of(tensor.kind),
               fmt::format("[{}]", fmt::join(tensor.shape, ", ")), tensor.bytes(), shards_of(manifest, tensor.name));
  return kExitOk;
}

/// A file that this user may not read is not a damaged one.
void require_readable(const Path& checkpoint) {
  std::error_code missing;
  for (const auto& file : std::filesystem::directory_iterator(checkpoint, missing))
    if (::access(file.path().c_str(), R_OK) != 0 && errno == EACCES)
      throw StorageError(ErrorText{.attempted = "read " + file.path().string(),
                                   .cause = std::strerror(EACCES),
                                   .next = "read it as the user whose run it is, or let that user give access to it"});
}

/// How far it is, in one line, where standard output is a terminal.
class PercentLine {
 public:
  explicit PercentLine(std::string what) : what_(std::move(what)), is_shown_(::isatty(STDOUT_FILENO)) {}
  void show(std::uint64_t done, std::uint64_t total) const {
    if (is_shown_ && total > 0) fmt::print("\r{}: {:.0f} %\033[K", what_, 100.0 * static_cast<double>(done) / static_cast<double>(total));
  }
  ~PercentLine() {
    if (is_shown_) fmt::print("\r\033[K");
  }

 private:
  std::string what_;
  bool is_shown_;
};

/// Reads everything and holds it against its digests.
int verify(FileSystem& files, const std::vector<Path>& paths, bool says_sound = true) {
  std::size_t damaged = 0;
  for (const Path& path : paths) {
    require_readable(path);
    std::vector<Finding> findings;
    {
      const PercentLine line(path.string());
      findings = verify_checkpoint(files, path, [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); });
    }
    if (says_sound || !findings.empty()) fmt::print("{}: {}\n", path.string(), findings.empty() ? "sound" : "DAMAGED");
    for (const Finding& finding : findings) fmt::print("  {}\n", finding.text);
    damaged += findings.empty() ? 0 : 1;
  }
  return damaged == 0 ? kExitOk : kExitData;
}

int diff(FileSystem& files, const Path& a, const Path& b) {
  if (const int damage = verify(files, {a, b}, /*says_sound=*/false); damage != kExitOk) return damage;
  const std::vector<TensorDifference> differences = diff_checkpoints(files, a, b);
  const Manifest manifest_a = read_manifest(files, a), manifest_b = read_manifest(files, b);
  fmt::print("A {}  step {}, parameter hash {}\nB {}  step {}, parameter hash {}\n", a.string(), manifest_a.global_step,
             to_hex(state_hash(manifest_a, "model/")), b.string(), manifest_b.global_step, to_hex(state_hash(manifest_b, "model/")));
  for (const TensorDifference& difference : differences) {
    if (difference.what == "values")
      fmt::print("  {}: {} elements differ, the first at {}, by at most {:.3g} (relative {:.3g})\n", difference.tensor, difference.elements,
                 difference.first_index, difference.max_absolute, difference.max_relative);
    else
      fmt::print("  {}: {}\n", difference.tensor, difference.what);
  }
  fmt::print("{}: {} tensors and the trainer's state compared, {} differences\n", differences.empty() ? "equal" : "different",
             manifest_a.tensors.size(), differences.size());
  return differences.empty() ? kExitOk : kExitDifferent;
}

ExportFormat format_of(const std::string& given, const Path& output) {
  const std::string ending = output.extension().string();
  const std::string name = !given.empty()                         ? given
                           : ending == ".safetensors"             ? "safetensors"
                           : ending == ".h5" || ending == ".hdf5" ? "hdf5"
                                                                  : "";
  if (const auto format = export_format_from(name)) return *format;
  throw UsageError(
      fmt::format("holdfast ckpt export: expected --format safetensors, hdf5 or numpy, or an OUTPUT that ends in .safetensors "
                  "or .h5; found {}\n  next: holdfast ckpt --help",
                  given.empty() ? output.string() : "--format " + given));
}

int export_tensors(FileSystem& files, const Path& path, const Arguments& arguments) {
  Path output = Path(arguments.paths.at(1)).lexically_normal();
  if (!output.has_filename()) output = output.parent_path();  // "weights/" is "weights"
  const ExportFormat format = format_of(arguments.format, output);
  require_readable(path);
  ExportResult result;
  {
    const PercentLine line(output.string());
    result = export_checkpoint(files, path, output, format, arguments.wants_all ? ExportScope::everything : ExportScope::model,
                               [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); });
  }
  fmt::print("{}: {} tensors, {} bytes, of {}\n", output.string(), result.tensors, result.bytes, path.string());
  return kExitOk;
}

}  // namespace

int checkpoint_command(const std::vector<std::string>& words) {
  const Arguments arguments = parse(words);
  if (arguments.wants_help || arguments.command.empty()) {
    fmt::print("{}", kUsage);
    return arguments.wants_help ? kExitOk : kExitUsage;
  }
  const auto require_paths = [&](std::size_t count) {
    if (arguments.paths.size() != count)
      throw UsageError(fmt::format("holdfast ckpt {}: expected {} path{}, found {}\n  next: holdfast ckpt --help", arguments.command, count,
                                   count == 1 ? "" : "s", arguments.paths.size()));
  };
  const auto files = make_posix_file_system();
  const auto newest = [&](std::size_t i) { return checkpoints_of(*files, arguments.paths.at(i)).back(); };
  if (arguments.command == "list") return require_paths(1), list(*files, arguments.paths[0], arguments.wants_json);
  if (arguments.command == "show") return require_paths(1), show(*files, newest(0), arguments.wants_json);
  if (arguments.command == "verify") return require_paths(1), verify(*files, checkpoints_of(*files, arguments.paths[0]));
  if (arguments.command == "diff") return require_paths(2), diff(*files, newest(0), newest(1));
  if (arguments.command == "export") return require_paths(2), export_tensors(*files, newest(0), arguments);
  if (arguments.command == "simulate")
    return require_paths(2), simulate_command(arguments.paths[0], arguments.paths[1], arguments.wants_json);
  throw UsageError(fmt::format("holdfast ckpt: unknown command '{}'\n  next: holdfast ckpt --help", arguments.command));
}

}  // namespace holdfast
