#include "checkpoint/format/copies.h"

#include <fmt/format.h>

#include "base/error.h"
#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

std::string facts_of(const std::string& role, const CheckpointName& state, const std::string& original) {
  return fmt::format("role {} of {}, original {}", role, directory_name(state), original.empty() ? "none" : original);
}

}  // namespace

void require_copy_of(const Manifest& original, const Path& path, const Manifest& copy) {
  const CheckpointName state = own_name(original);
  const std::string expected = facts_of(kTransformedPrefix + path.filename().string(), state, original.id),
                    found = facts_of(copy.role, {copy.global_step, copy.version, state.is_weights}, copy.original);
  if (found != expected)
    throw CorruptCheckpoint(ErrorText{.attempted = "read the transformed copy " + path.string(),
                                      .expected = expected,
                                      .found = found,
                                      .next = "move it back to the state that it was made of"});
}

std::vector<Manifest> read_copies(FileSystem& files, const Path& checkpoint, const Manifest& original) {
  std::vector<Manifest> copies;
  for (const std::string& name : original.transformed) {
    copies.push_back(read_manifest(files, checkpoint / name));
    require_copy_of(original, checkpoint / name, copies.back());
  }
  return copies;
}

void require_own_place(FileSystem& files, const Path& checkpoint, const Manifest& manifest) {
  const CheckpointName own = own_name(manifest);
  const auto name = parse_directory_name(checkpoint.filename().string());
  if (name && *name != own)
    throw CorruptCheckpoint(ErrorText{.attempted = "read " + checkpoint.string(),
                                      .expected = directory_name(own) + ", by its manifest",
                                      .found = checkpoint.filename().string(),
                                      .next = "give it its own name again"});
  // Outside of a state a copy may have any name.
  const Path around = checkpoint.parent_path();
  if (manifest.role.starts_with(kTransformedPrefix) && files.kind(around / kManifestName) == FileKind::file)
    require_copy_of(read_facts(files, around), checkpoint, manifest);
}

std::uint64_t bytes_of(const Manifest& manifest) {
  std::uint64_t bytes = 0;
  for (const ShardRecord& shard : manifest.shards) bytes += shard.bytes;
  return bytes;
}

}  // namespace holdfast
