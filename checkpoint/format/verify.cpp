#include "checkpoint/format/verify.h"

#include <fmt/format.h>

#include <iterator>
#include <set>

#include "base/error.h"
#include "checkpoint/format/copies.h"
#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

/// `original`: of a transformed copy, the manifest of the state that it lies in.
std::vector<Finding> verify(FileSystem& files, const Path& checkpoint, const Manifest* original, const ReadProgress& progress) {
  std::vector<Finding> findings;
  const auto of_none = [&](std::string text) { findings.push_back({.shard = {}, .dataset = {}, .text = std::move(text)}); };
  Manifest manifest;
  try {
    manifest = read_manifest(files, checkpoint);
  } catch (const Error& error) {
    of_none(error.what());
    return findings;
  }
  try {
    original ? require_copy_of(*original, checkpoint, manifest) : require_own_place(files, checkpoint, manifest);
  } catch (const Error& error) {
    of_none(error.what());
  }
  std::set<std::string> expected = {kManifestName};
  for (const std::string& copy : manifest.transformed) {
    expected.insert(copy);
    for (Finding& found : verify(files, checkpoint / copy, &manifest, {})) {
      found.shard.insert(0, copy + "/");
      findings.push_back(std::move(found));
    }
  }
  for (const ShardRecord& shard : manifest.shards) expected.insert(shard.file);
  for (const std::string& file : files.list(checkpoint))
    if (!expected.contains(file))
      findings.push_back(
          {.shard = file, .dataset = {}, .text = fmt::format("{}: no part of this checkpoint", (checkpoint / file).string())});
  std::vector<Finding> of_shards = scan_shards(files, checkpoint, manifest, {}, progress);
  std::move(of_shards.begin(), of_shards.end(), std::back_inserter(findings));
  return findings;
}

}  // namespace

std::vector<Finding> verify_checkpoint(FileSystem& files, const Path& checkpoint, const ReadProgress& progress) {
  return verify(files, checkpoint, nullptr, progress);
}

}  // namespace holdfast
