#include "checkpoint/format/manifest.h"

#include <fmt/format.h>

#include "base/error.h"
#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

using nlohmann::json;

constexpr const char* kFormatName = "holdfast-checkpoint";
constexpr std::size_t kDigestDigits = 32;

std::string hex_of(const std::vector<Digest>& blocks) {
  std::string text;
  for (const Digest& block : blocks) text += to_hex(block);
  return text;
}

std::vector<Digest> blocks_from(const std::string& text) {
  std::vector<Digest> blocks;
  if (text.size() % kDigestDigits != 0) throw std::invalid_argument("a list of digests of a length that is no multiple of 32");
  for (std::size_t at = 0; at < text.size(); at += kDigestDigits)
    blocks.push_back(digest_from_hex(std::string_view(text).substr(at, kDigestDigits)));
  return blocks;
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

Digest checksum_of(std::string text, std::size_t position) {
  text.replace(position, kDigestDigits, kDigestDigits, '0');
  return digest_of(text);
}

json to_json(const TensorInfo& tensor) {
  return {{"name", tensor.name}, {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"kind", name_of(tensor.kind)}};
}

TensorInfo tensor_from(const json& stored) {
  TensorInfo tensor{.name = stored.at("name"),
                    .dtype = dtype_from(stored.at("dtype").get<std::string>()),
                    .shape = stored.at("shape"),
                    .kind = tensor_kind_from(stored.at("kind").get<std::string>())};
  auto bytes = static_cast<std::int64_t>(size_of(tensor.dtype));
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0) throw std::invalid_argument("a negative extent in the shape of " + tensor.name);
    if (__builtin_mul_overflow(bytes, extent, &bytes)) throw std::invalid_argument(tensor.name + " has more bytes than any file");
  }
  return tensor;
}

/// One line an item: a person can read it, and a diff of two manifests too.
std::string list_text(const json& list) {
  std::string text = "[";
  for (std::size_t i = 0; i < list.size(); ++i) text += (i == 0 ? "\n    " : ",\n    ") + list[i].dump();
  return text + (list.empty() ? "]" : "\n  ]");
}

}  // namespace

json to_json(const ShardRecord& shard) {
  json pieces = json::array();
  for (const PieceRecord& piece : shard.pieces)
    pieces.push_back({{"tensor", piece.tensor},
                      {"offset", piece.slice.offset},
                      {"count", piece.slice.count},
                      {"file_offset", piece.file_offset},
                      {"blocks", hex_of(piece.blocks)}});
  return {{"file", shard.file},
          {"rank", shard.rank},
          {"host", shard.host},
          {"bytes", shard.bytes},
          {"head_bytes", shard.head_bytes},
          {"head", to_hex(shard.head)},
          {"pieces", std::move(pieces)}};
}

ShardRecord shard_record_from_json(const json& stored, const std::string& where) {
  try {
    ShardRecord shard{.file = stored.at("file"),
                      .rank = stored.at("rank"),
                      .host = stored.at("host"),
                      .bytes = stored.at("bytes"),
                      .head_bytes = stored.at("head_bytes"),
                      .head = digest_from_hex(stored.at("head").get<std::string>())};
    for (const json& piece : stored.at("pieces"))
      shard.pieces.push_back({.tensor = piece.at("tensor"),
                              .slice = {piece.at("offset"), piece.at("count")},
                              .file_offset = piece.at("file_offset"),
                              .blocks = blocks_from(piece.at("blocks"))});
    return shard;
  } catch (const std::exception& error) {
    throw CorruptCheckpoint(
        ErrorText{.attempted = "read a shard's record in " + where, .cause = error.what(), .next = "use another checkpoint"});
  }
}

std::string to_text(const Manifest& manifest) {
  json tensors = json::array(), shards = json::array();
  for (const TensorInfo& tensor : manifest.tensors) tensors.push_back(to_json(tensor));
  for (const ShardRecord& shard : manifest.shards) shards.push_back(to_json(shard));
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
  add("entries", json(manifest.entries).dump());
  add("state", manifest.state.dump());
  add("options", manifest.options.dump());
  add("environment", manifest.environment.dump());
  add("tensors", list_text(tensors));
  add("shards", list_text(shards));
  text += "  \"checksum\": \"" + std::string(kDigestDigits, '0') + "\"\n}\n";
  const std::size_t position = checksum_position(text, "a manifest");
  return text.replace(position, kDigestDigits, to_hex(checksum_of(text, position)));
}

Manifest manifest_from_text(const std::string& text, const std::string& where) {
  const std::size_t position = checksum_position(text, where);
  const std::string expected = text.substr(position, kDigestDigits), found = to_hex(checksum_of(text, position));
  const auto refuse = [&](ErrorText error) {
    error.attempted = "read " + where;
    if (error.next.empty()) error.next = "use another checkpoint";
    throw CorruptCheckpoint(error);
  };
  if (expected != found) refuse({.expected = "checksum " + expected, .found = found});
  Manifest manifest;
  try {
    const json stored = json::parse(text);
    if (stored.at("format") != kFormatName) refuse({.expected = kFormatName, .found = stored.at("format").dump()});
    if (stored.at("format_version") != kFormatVersion)
      refuse({.expected = fmt::format("format version {}", kFormatVersion),
              .found = stored.at("format_version").dump(),
              .next = "read it with the version of Holdfast that wrote it, or a newer one"});
    manifest = {.id = stored.at("id"),
                .global_step = stored.at("global_step"),
                .version = stored.at("version"),
                .attempt = stored.at("attempt"),
                .world_size = stored.at("world_size"),
                .created = stored.at("created"),
                .role = stored.at("role"),
                .is_resumable = stored.at("is_resumable"),
                .entries = stored.at("entries"),
                .state = stored.at("state"),
                .options = stored.at("options"),
                .environment = stored.at("environment")};
    for (const json& tensor : stored.at("tensors")) manifest.tensors.push_back(tensor_from(tensor));
    for (const json& shard : stored.at("shards")) manifest.shards.push_back(shard_record_from_json(shard, where));
  } catch (const CorruptCheckpoint&) {
    throw;
  } catch (const std::exception& error) {
    refuse({.cause = error.what()});
  }
  require_consistent(manifest, where);
  return manifest;
}

Manifest read_manifest(FileSystem& files, const Path& checkpoint) {
  const Path path = checkpoint / kManifestName;
  return manifest_from_text(read_text(files, path), path.string());
}

}  // namespace holdfast
