// `holdfast ckpt export`: a checkpoint's tensors for other programs.
#include "checkpoint/format/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "apps/commands/checkpoint/arguments.h"
#include "apps/commands/checkpoint/commands.h"
#include "apps/commands/checkpoint/progress_line.h"
#include "apps/commands/checkpoint/targets.h"
#include "checkpoint/format/copies.h"

namespace holdfast {
namespace {

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

/// The transformed copy of that name.
Path copy_of(FileSystem& files, const Path& checkpoint, const std::string& name) {
  const Manifest original = read_manifest(files, checkpoint);
  const std::vector<std::string>& copies = original.transformed;
  if (std::find(copies.begin(), copies.end(), name) != copies.end()) {
    require_copy_of(original, checkpoint / name, read_manifest(files, checkpoint / name));
    return checkpoint / name;
  }
  throw DataError(
      ErrorText{.attempted = fmt::format("export the weights {} of {}", name, checkpoint.string()),
                .expected = copies.empty() ? "a checkpoint with transformed copies" : fmt::format("one of {}", fmt::join(copies, ", ")),
                .found = copies.empty() ? "none in it" : name});
}

}  // namespace

int export_checkpoint_command(const Words& words) {
  boost::program_options::options_description options;
  options.add_options()("format", boost::program_options::value<std::string>()->default_value(""))("all", "")(
      "weights", boost::program_options::value<std::string>()->default_value(""));
  const CheckpointArguments arguments("export", words, 2, options);
  const auto files = make_posix_file_system();
  Path path = newest_of(*files, arguments.path(0));
  if (const auto copy = arguments.get<std::string>("weights"); !copy.empty()) path = copy_of(*files, path, copy);
  Path output = Path(arguments.path(1)).lexically_normal();
  if (!output.has_filename()) output = output.parent_path();  // "weights/" is "weights"
  const ExportFormat format = format_of(arguments.get<std::string>("format"), output);
  require_readable(path);
  ExportResult result;
  {
    ProgressLine line(output.string());
    result = while_it_is_there(*files, path, [&] {
      return export_checkpoint(*files, path, output, format, arguments.has("all") ? ExportScope::everything : ExportScope::model,
                               [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); });
    });
  }
  fmt::print("{}: {} tensors, {} bytes, of {}\n", output.string(), result.tensors, result.bytes, path.string());
  return kExitOk;
}

}  // namespace holdfast
