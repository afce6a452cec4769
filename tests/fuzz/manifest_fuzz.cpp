// A manifest of any bytes is refused with a CorruptCheckpoint, or it is what its text says: nothing in it leads out of its directory, or
// to a read outside of its files, and written again it says the same. The mutator makes the checksum right again.
#include "base/error.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/verify.h"
#include "checkpoint/format/windows.h"
#include "checkpoint/policy/policy_state.h"
#include "json_mutation.h"
#include "oracle.h"
#include "tests/unit/engine/memory_file_system.h"
#include "tests/unit/format/stored_checkpoint.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace holdfast {
namespace {

using nlohmann::json;

const Path kCheckpoint = "/checkpoint";

/// Every member of `ours` stands in `theirs`, with the same value.
bool holds(const json& theirs, const json& ours) {
  if (ours.is_object()) {
    if (!theirs.is_object()) return false;
    for (const auto& [key, value] : ours.items())
      if (key != "checksum" && !(theirs.contains(key) ? holds(theirs.at(key), value) : value.is_null())) return false;
    return true;
  }
  if (!ours.is_array()) return theirs == ours && theirs.is_boolean() == ours.is_boolean();
  if (!theirs.is_array() || theirs.size() != ours.size()) return false;
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (!holds(theirs[i], ours[i])) return false;
  return true;
}

void check_windows(const Manifest& manifest, const ShardRecord& shard) {
  for (const Window& window : plan_windows(manifest, shard, [](const PieceRecord&) { return true; })) {
    must(window.begin() >= shard.head_bytes && window.end() <= shard.bytes, "a window outside of the file's data");
    must(window.end() - window.begin() <= kWindowBytes, "a window larger than its buffer");
    for (const StoredBlock& block : window.blocks) must(block.number < block.piece->blocks.size(), "a block without a digest");
  }
}

void check_policy(const Manifest& manifest) {
  try {
    for (const auto& [path, state] : policy_state_from_json(manifest.retention).links())
      for (const Path& part : Path(path)) must(part != ".." && part != "/", "the name " + path + " leads out of its directory");
  } catch (const std::exception&) {  // the store takes none then
  }
}

void check(const std::string& text, const Manifest& manifest) {
  for (std::size_t rank = 0; rank < manifest.shards.size(); ++rank) {
    must(manifest.shards[rank].file == shard_name(static_cast<int>(rank), manifest.world_size), "a shard of another name");
    check_windows(manifest, manifest.shards[rank]);
  }
  const std::string again = to_text(manifest);
  must(holds(json::parse(text), json::parse(again)), "a manifest that says something else than its text");
  must(to_text(manifest_from_text(again, "again")) == again, "a manifest that changes when it is read again");
  must(facts_from_text(text, "facts").id == manifest.id, "facts that differ from the manifest's");
  state_hash(manifest);
  check_policy(manifest);
  MemoryFileSystem files;
  make_directories(files, kCheckpoint);
  write_text_durably(files, kCheckpoint / kManifestName, text);
  must(verify_checkpoint(files, kCheckpoint).size() >= manifest.shards.size(), "a checkpoint without its shards is taken for sound");
}

std::string repaired(const std::string& text) {
  const std::string key = "\"checksum\": \"";
  const std::size_t at = text.rfind(key);
  return at == text.npos || at + key.size() + 32 > text.size() ? text : with_checksum(text);
}

std::string mutated_json(const std::string& text, unsigned seed) {
  nlohmann::ordered_json manifest = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!manifest.is_object() || !manifest.contains("checksum")) return text;
  manifest.erase("checksum");
  JsonMutation mutation(seed);
  for (unsigned changes = 0; changes <= seed % 3; ++changes) mutation.apply(manifest);
  if (!manifest.is_object()) return text;
  manifest["checksum"] = std::string(32, '0');
  return manifest.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace
}  // namespace holdfast

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  using namespace holdfast;
  std::string text(reinterpret_cast<char*>(data), size);
  if (seed % 4 != 0) text = mutated_json(text, seed);
  if (seed % 4 == 0 || text.size() > max_size) text.assign(reinterpret_cast<char*>(data), LLVMFuzzerMutate(data, size, max_size));
  if (seed % 16 != 0) text = repaired(text);
  text.copy(reinterpret_cast<char*>(data), text.size());
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::optional<Manifest> manifest;
  try {
    manifest = manifest_from_text(text, "here");
  } catch (const CorruptCheckpoint& error) {
    must(std::string(error.what()).find("here") != std::string::npos, "an error that does not say where");
  }
  try {
    facts_from_text(text, "here");
  } catch (const CorruptCheckpoint&) {
    must(!manifest, "a manifest whose facts are refused");
  }
  if (manifest) check(text, *manifest);
  return 0;
}
