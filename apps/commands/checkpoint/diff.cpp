// `holdfast ckpt diff`: whether two checkpoints hold the same values.
#include "checkpoint/format/diff.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/commands/checkpoint/arguments.h"
#include "apps/commands/checkpoint/commands.h"
#include "apps/commands/checkpoint/progress_line.h"
#include "apps/commands/checkpoint/targets.h"
#include "base/json_value.h"
#include "checkpoint/format/copies.h"
#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

using nlohmann::json;

/// Every byte of it, so that what digests promise is known to be there. True: sound.
bool verify(FileSystem& files, const Path& path, std::FILE* out) {
  ProgressLine line(path.string());
  const std::vector<Finding> findings =
      verify_checkpoint(files, path, [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); });
  if (findings.empty()) return true;
  if (!is_there(files, path)) throw_gone(path);
  fmt::print(out, "{}: DAMAGED\n", path.string());
  for (const Finding& finding : findings) fmt::print(out, "  {}\n", finding.text);
  return false;
}

json to_json(const Path& path, const Manifest& manifest) {
  return {{"path", path.string()},
          {"step", manifest.global_step},
          {"world_size", manifest.world_size},
          {"parameter_hash", to_hex(state_hash(manifest, kModelPrefix))}};
}

json to_json(const TensorDifference& difference) {
  json row = {{"tensor", difference.tensor}, {"what", difference.what}};
  if (difference.what == "values")
    row.update({{"elements", difference.elements},
                {"first_index", difference.first_index},
                {"first_place", difference.first_place},
                {"max_absolute", number_to_json(difference.max_absolute)},
                {"max_relative", number_to_json(difference.max_relative)}});
  return row;
}

template <class Number>
std::string counted(Number number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

void print(const TensorDifference& difference) {
  if (difference.what == "values")
    fmt::print("  {}: {} differ{}, the first at {} [{}], by at most {:.3g} (relative {:.3g})\n", difference.tensor,
               counted(difference.elements, "element"), difference.elements == 1 ? "s" : "", difference.first_index,
               fmt::join(difference.first_place, ", "), difference.max_absolute, difference.max_relative);
  else
    fmt::print("  {}: {}\n", difference.tensor, difference.what);
}

}  // namespace

int diff_checkpoints_command(const Words& words) {
  boost::program_options::options_description options;
  options.add_options()("json", "")("verify", "");
  const CheckpointArguments arguments("diff", words, 2, options);
  const auto files = make_posix_file_system();
  const Path a = newest_of(*files, arguments.path(0)), b = newest_of(*files, arguments.path(1));
  for (const Path& path : {a, b}) require_readable(path);
  if (arguments.has("verify")) {
    std::FILE* const out = arguments.has("json") ? stderr : stdout;
    const bool is_sound_a = verify(*files, a, out), is_sound_b = verify(*files, b, out);
    if (!is_sound_a || !is_sound_b) return kExitData;
  }
  const Manifest manifest_a = while_it_is_there(*files, a, [&] { return read_manifest(*files, a); }),
                 manifest_b = while_it_is_there(*files, b, [&] { return read_manifest(*files, b); });
  std::vector<TensorDifference> differences;
  std::size_t tensors = manifest_a.tensors.size();
  {
    ProgressLine line("values that differ");
    const auto show = [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); };
    differences =
        while_it_is_there(*files, a, [&] { return while_it_is_there(*files, b, [&] { return diff_checkpoints(*files, a, b, show); }); });
    for (const Manifest& copy : while_it_is_there(*files, a, [&] { return read_copies(*files, a, manifest_a); }))
      tensors += copy.tensors.size();
  }
  const int code = differences.empty() ? kExitOk : kExitDifferent;
  if (arguments.has("json")) {
    json rows = json::array();
    for (const TensorDifference& difference : differences) rows.push_back(to_json(difference));
    fmt::print("{}\n", json{{"a", to_json(a, manifest_a)},
                            {"b", to_json(b, manifest_b)},
                            {"is_equal", differences.empty()},
                            {"is_verified", arguments.has("verify")},
                            {"tensors", tensors},
                            {"differences", std::move(rows)}}
                           .dump(2));
    return code;
  }
  fmt::print("A {}  step {}, parameter hash {}\nB {}  step {}, parameter hash {}\n", a.string(), manifest_a.global_step,
             to_hex(state_hash(manifest_a, kModelPrefix)), b.string(), manifest_b.global_step,
             to_hex(state_hash(manifest_b, kModelPrefix)));
  for (const TensorDifference& difference : differences) print(difference);
  fmt::print("{}: {} tensors and the trainer's state compared{}, {}\n", differences.empty() ? "equal" : "different", tensors,
             arguments.has("verify") ? ", every byte read" : " by their digests", counted(differences.size(), "difference"));
  return code;
}

}  // namespace holdfast
