#include "checkpoint/format/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/json_value.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest_lists.h"

namespace holdfast {
namespace {

using nlohmann::json;

constexpr const char* kFormatName = "holdfast-checkpoint";
constexpr int kDeepest = 100;  // levels of objects and lists

std::string hex_of(const std::vector<Digest>& blocks) {
  std::string text;
  for (const Digest& block : blocks) text += to_hex(block);
  return text;
}

/// Where the checksum's digits stand in the text: the last member.
std::size_t checksum_position(const std::string& text, const std::string& where) {
  static const std::string kKey = "\"checksum\": \"";
  const std::size_t at = text.rfind(kKey);
  if (at == text.npos || at + kKey.size() + kDigestDigits > text.size())
    throw CorruptCheckpoint(ErrorText{.attempted = "read " + where,
                                      .expected = "a manifest that ends with its checksum",
                                      .found = "none",
                                      .next = "use another checkpoint"});
  return at + kKey.size();
}

/// What is nested deeper than any manifest would overflow the stack of whoever walks through it.
void require_shallow(std::string_view text) {
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"')
      for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\';
    else if (text[at] == '[' || text[at] == '{')
      ++depth;
    else if (text[at] == ']' || text[at] == '}')
      --depth;
    if (depth > kDeepest) throw std::invalid_argument(fmt::format("nested deeper than {} levels", kDeepest));
  }
}

json parse(const std::string& text) {
  require_shallow(text);
  return json::parse(text);
}

Digest checksum_of(std::string text, std::size_t position) {
  text.replace(position, kDigestDigits, kDigestDigits, '0');
  return digest_of(text);
}

/// As a JSON object: written by hand, since there may be tens of thousands in one save.
void append(std::string& text, const TensorInfo& tensor) {
  fmt::format_to(std::back_inserter(text), R"({{"dtype":"{}","kind":"{}","name":{},"shape":[{}]}})", name_of(tensor.dtype),
                 name_of(tensor.kind), json(tensor.name).dump(), fmt::join(tensor.shape, ","));
}

void append(std::string& text, const PieceRecord& piece) {
  fmt::format_to(std::back_inserter(text), R"({{"blocks":"{}","count":{},"file_offset":{},"offset":{},"tensor":{}}})", hex_of(piece.blocks),
                 piece.slice.count, piece.file_offset, piece.slice.offset, json(piece.tensor).dump());
}

void append(std::string& text, const std::string& ready) { text += ready; }

/// A list, each item between the separators.
template <class Items>
void append_list(std::string& text, const Items& items, std::string_view before, std::string_view after) {
  text += '[';
  bool is_first = true;
  for (const auto& item : items) {
    if (!std::exchange(is_first, false)) text += ',';
    text += before;
    append(text, item);
  }
  if (!is_first) text += after;
  text += ']';
}

constexpr std::string_view kItemLine = "\n    ", kEndLine = "\n  ";  // one line an item: a person can read it

}  // namespace

CheckpointName own_name(const Manifest& manifest) { return {manifest.global_step, manifest.version, manifest.role == kWeightsOnly}; }

std::string to_text(const ShardRecord& shard) {
  std::string text = fmt::format(R"({{"bytes":{},"file":{},"head":"{}","head_bytes":{},"host":{},"pieces":)", shard.bytes,
                                 json(shard.file).dump(), to_hex(shard.head), shard.head_bytes, json(shard.host).dump());
  append_list(text, shard.pieces, "", "");
  return text + fmt::format(R"(,"rank":{}}})", shard.rank);
}

std::string facts_text(const Manifest& manifest) {
  std::string text = "{\n";
  const auto add = [&text](const char* key, const std::string& value) { text += fmt::format("  \"{}\": {},\n", key, value); };
  add("format", json(kFormatName).dump());
  add("format_version", std::to_string(kFormatVersion));
  add("id", json(manifest.id).dump());
  add("global_step", std::to_string(manifest.global_step));
  add("version", std::to_string(manifest.version));
  add("attempt", std::to_string(manifest.attempt));
  add("world_size", std::to_string(manifest.world_size));
  add("created", json(manifest.created).dump());
  add("role", json(manifest.role).dump());
  add("is_resumable", manifest.is_resumable ? "true" : "false");
  if (!manifest.original.empty()) add("original", json(manifest.original).dump());
  add("entries", json(manifest.entries).dump());
  add("retention", manifest.retention.dump());
  add("state", manifest.state.dump());
  add("options", manifest.options.dump());
  add("environment", manifest.environment.dump());
  text += "  \"tensors\": ";
  append_list(text, manifest.tensors, kItemLine, kEndLine);
  return text + ",\n";
}

std::string manifest_text(std::string facts, std::span<const std::string> shards, std::span<const std::string> transformed) {
  std::string text = std::move(facts);
  if (!transformed.empty()) text += fmt::format("  \"transformed\": {},\n", json(transformed).dump());
  text += "  \"shards\": ";
  append_list(text, shards, kItemLine, kEndLine);
  text += ",\n  \"checksum\": \"" + std::string(kDigestDigits, '0') + "\"\n}\n";
  const std::string checksum = to_hex(digest_of(text));
  return text.replace(checksum_position(text, "a manifest"), kDigestDigits, checksum);
}

std::string to_text(const Manifest& manifest) {
  std::vector<std::string> shards;
  for (const ShardRecord& shard : manifest.shards) shards.push_back(to_text(shard));
  return manifest_text(facts_text(manifest), shards, manifest.transformed);
}

namespace {

[[noreturn]] void refuse(const std::string& where, ErrorText error) {
  error.attempted = "read " + where;
  if (error.next.empty()) error.next = "use another checkpoint";
  throw CorruptCheckpoint(error);
}

void require_checksum(const std::string& text, const std::string& where) {
  const std::size_t position = checksum_position(text, where);
  const std::string expected = text.substr(position, kDigestDigits), found = to_hex(checksum_of(text, position));
  if (expected != found) refuse(where, {.expected = "checksum " + expected, .found = found});
}

Manifest facts_from(const json& stored, const std::string& where) {
  if (stored.at("format") != kFormatName) refuse(where, {.expected = kFormatName, .found = stored.at("format").dump()});
  if (stored.at("format_version") != kFormatVersion)
    refuse(where, {.expected = fmt::format("format version {}", kFormatVersion),
                   .found = stored.at("format_version").dump(),
                   .next = "read it with the version of Holdfast that wrote it, or a newer one"});
  return {.id = stored.at("id"),
          .global_step = integer_from_json<std::int64_t>(stored.at("global_step")),
          .version = integer_from_json<int>(stored.at("version")),
          .attempt = integer_from_json<int>(stored.at("attempt")),
          .world_size = integer_from_json<int>(stored.at("world_size")),
          .created = stored.at("created"),
          .role = stored.at("role"),
          .is_resumable = stored.at("is_resumable"),
          .original = stored.value("original", ""),
          .entries = stored.at("entries"),
          .retention = stored.contains("retention") ? stored.at("retention") : json(),
          .state = stored.at("state"),
          .options = stored.at("options"),
          .environment = stored.at("environment")};
}

/// Calls `read` and makes a CorruptCheckpoint of whatever it throws.
template <class Read>
Manifest read_or_refuse(const std::string& where, const Read& read) {
  try {
    return read();
  } catch (const CorruptCheckpoint&) {
    throw;
  } catch (const std::exception& error) {
    refuse(where, {.cause = error.what()});
  }
}

/// Of what stands before the tensors, where facts_text puts all that is no list; of the whole where there are none.
json facts_before_lists(const std::string& text) {
  const std::size_t tensors = text.find(",\n  \"tensors\": ");
  return parse(tensors == text.npos ? text : text.substr(0, tensors) + "}");
}

}  // namespace

Manifest facts_from_text(const std::string& text, const std::string& where) {
  require_checksum(text, where);
  return read_or_refuse(where, [&] { return facts_from(facts_before_lists(text), where); });
}

Manifest manifest_from_text(const std::string& text, const std::string& where) {
  require_checksum(text, where);
  Manifest manifest = read_or_refuse(where, [&] {
    Manifest lists;
    const bool is_in_our_order = read_lists(text, lists);  // else somebody else has written it
    Manifest read = facts_from(is_in_our_order ? facts_before_lists(text) : parse(text), where);
    read.tensors = std::move(lists.tensors);
    read.shards = std::move(lists.shards);
    read.transformed = std::move(lists.transformed);
    return read;
  });
  require_consistent(manifest, where);
  return manifest;
}

std::string read_manifest_text(FileSystem& files, const Path& checkpoint) {
  const Path path = checkpoint / kManifestName;
  const FileKind kind = files.kind(path);
  if (kind != FileKind::file && kind != FileKind::none) refuse(path.string(), {.expected = "a file", .found = "something else"});
  return read_text(files, path);
}

Manifest read_facts(FileSystem& files, const Path& checkpoint) {
  return facts_from_text(read_manifest_text(files, checkpoint), (checkpoint / kManifestName).string());
}

Manifest read_manifest(FileSystem& files, const Path& checkpoint) {
  return manifest_from_text(read_manifest_text(files, checkpoint), (checkpoint / kManifestName).string());
}

}  // namespace holdfast
