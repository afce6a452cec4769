// `holdfast ckpt verify`: reads everything and holds it against its digests.
#include "checkpoint/format/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/commands/checkpoint/arguments.h"
#include "apps/commands/checkpoint/commands.h"
#include "apps/commands/checkpoint/progress_line.h"
#include "apps/commands/checkpoint/targets.h"
#include "apps/commands/checkpoint/verdicts.h"

namespace holdfast {
namespace {

using nlohmann::json;

struct Verified {
  Path path;
  std::vector<Finding> findings;
  bool is_gone = false;  // the run has removed it meanwhile
  std::string result() const { return is_gone ? "gone" : findings.empty() ? "sound" : "damaged"; }
};

Verified verify(FileSystem& files, const Path& path, Verdicts& verdicts) {
  Verified verified{.path = path};
  const std::string stamp = stamp_of(path);
  require_readable(path);
  {
    ProgressLine line(path.string());
    verified.findings = verify_checkpoint(files, path, [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); });
  }
  verified.is_gone = !verified.findings.empty() && !is_there(files, path);
  if (!verified.is_gone)
    verdicts.remember(path, stamp,
                      {.is_sound = verified.findings.empty(),
                       .unix_seconds = SystemClock().unix_seconds(),
                       .finding = verified.findings.empty() ? "" : verified.findings.front().text});
  return verified;
}

json to_json(const Finding& finding) {
  const auto known = [](std::int64_t value) { return value < 0 ? json() : json(value); };
  return {{"shard", finding.shard.empty() ? json() : json(finding.shard)},
          {"dataset", finding.dataset.empty() ? json() : json(finding.dataset)},
          {"block", known(finding.block)},
          {"offset", known(finding.offset)},
          {"text", finding.text}};
}

void print(const Verified& verified) {
  const std::string result = verified.result();
  fmt::print("{}: {}\n", verified.path.string(),
             result == "damaged" ? "DAMAGED"
             : result == "gone"  ? "gone, the run has removed it meanwhile"
                                 : result);
  for (const Finding& finding : verified.findings)
    if (!verified.is_gone) fmt::print("  {}\n", finding.text);
  std::fflush(stdout);
}

/// A record that cannot be kept changes no result.
void save(const Verdicts& verdicts) {
  try {
    verdicts.save();
  } catch (const Error& error) {
    fmt::print(stderr, "`ckpt list` will not know of this: {}\n", error.what());
  }
}

}  // namespace

int verify_checkpoints_command(const Words& words) {
  boost::program_options::options_description options;
  options.add_options()("json", "");
  const CheckpointArguments arguments("verify", words, 1, options);
  const auto files = make_posix_file_system();
  const Targets targets = checkpoints_of(*files, arguments.path());
  Verdicts verdicts(*files, targets.directory);
  json rows = json::array();
  std::map<std::string, std::size_t> count;
  for (const Path& path : targets.checkpoints) {
    const Verified verified = verify(*files, path, verdicts);
    ++count[verified.result()];
    if (!arguments.has("json")) print(verified);
    json findings = json::array();
    for (const Finding& finding : verified.findings)
      if (!verified.is_gone) findings.push_back(to_json(finding));
    rows.push_back({{"path", path.string()}, {"result", verified.result()}, {"findings", std::move(findings)}});
  }
  if (arguments.has("json")) fmt::print("{}\n", rows.dump(2));
  save(verdicts);
  return count["damaged"] == 0 && count["sound"] > 0 ? kExitOk : kExitData;
}

}  // namespace holdfast
