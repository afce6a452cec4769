#include "checkpoint/format/manifest_lists.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <concepts>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace holdfast {
namespace {

using Value = simdjson::dom::element;

constexpr std::size_t kShownBytes = 100;

[[noreturn]] void refuse(const char* expected, const Value& found) {
  const std::string text = simdjson::minify(found);
  throw std::invalid_argument(
      fmt::format("expected {}, found {}{}", expected, text.substr(0, kShownBytes), text.size() > kShownBytes ? "…" : ""));
}

/// The members of an object, each of which is there once.
class Object {
 public:
  explicit Object(const Value& value) {
    if (!value.is_object()) refuse("an object", value);
    for (const auto& [key, member] : simdjson::dom::object(value)) {
      if (find(key)) throw std::invalid_argument(fmt::format("the key '{}' is there twice", key));
      members_.emplace_back(key, member);
    }
  }
  const Value* find(std::string_view key) const {
    for (const auto& [name, member] : members_)
      if (name == key) return &member;
    return nullptr;
  }
  std::vector<std::string_view> keys() const {
    std::vector<std::string_view> keys;
    for (const auto& [key, member] : members_) keys.push_back(key);
    return keys;
  }
  const Value& at(std::string_view key) const {
    if (const Value* member = find(key)) return *member;
    throw std::invalid_argument(fmt::format("key '{}' not found", key));
  }

 private:
  std::vector<std::pair<std::string_view, Value>> members_;
};

simdjson::dom::array list(const Value& value) {
  if (!value.is_array()) refuse("a list", value);
  return value;
}

std::string_view text(const Value& value) {
  if (!value.is_string()) refuse("a text", value);
  return value;
}

template <std::integral Integer>
Integer integer(const Value& value) {
  if (value.is_int64()) {
    if (const auto number = std::int64_t(value); std::in_range<Integer>(number)) return static_cast<Integer>(number);
  } else if (value.is_uint64()) {
    if (const auto number = std::uint64_t(value); std::in_range<Integer>(number)) return static_cast<Integer>(number);
  }
  refuse("a whole number", value);
}

std::vector<Digest> blocks_from(std::string_view digits) {
  std::vector<Digest> blocks;
  if (digits.size() % kDigestDigits != 0) throw std::invalid_argument("a list of digests of a length that is no multiple of 32");
  for (std::size_t at = 0; at < digits.size(); at += kDigestDigits) blocks.push_back(digest_from_hex(digits.substr(at, kDigestDigits)));
  return blocks;
}

TensorInfo tensor_from(const Object& stored) {
  TensorInfo tensor{.name = std::string(text(stored.at("name"))),
                    .dtype = dtype_from(text(stored.at("dtype"))),
                    .shape = {},
                    .kind = tensor_kind_from(text(stored.at("kind")))};
  auto bytes = static_cast<std::int64_t>(size_of(tensor.dtype));
  for (const Value& stored_extent : list(stored.at("shape"))) {
    const auto extent = integer<std::int64_t>(stored_extent);
    if (extent < 0) throw std::invalid_argument("a negative extent in the shape of " + tensor.name);
    if (__builtin_mul_overflow(bytes, extent, &bytes)) throw std::invalid_argument(tensor.name + " has more bytes than any file");
    tensor.shape.push_back(extent);
  }
  return tensor;
}

PieceRecord piece_from(const Object& stored) {
  return {.tensor = std::string(text(stored.at("tensor"))),
          .slice = {integer<std::int64_t>(stored.at("offset")), integer<std::int64_t>(stored.at("count"))},
          .file_offset = integer<std::uint64_t>(stored.at("file_offset")),
          .blocks = blocks_from(text(stored.at("blocks")))};
}

ShardRecord shard_from(const Object& stored) {
  ShardRecord shard{.file = std::string(text(stored.at("file"))),
                    .rank = integer<int>(stored.at("rank")),
                    .host = std::string(text(stored.at("host"))),
                    .bytes = integer<std::uint64_t>(stored.at("bytes")),
                    .head_bytes = integer<std::uint64_t>(stored.at("head_bytes")),
                    .head = digest_from_hex(text(stored.at("head")))};
  for (const Value& piece : list(stored.at("pieces"))) shard.pieces.push_back(piece_from(Object(piece)));
  return shard;
}

}  // namespace

bool read_lists(const std::string& text_of_manifest, Manifest& manifest) {
  simdjson::dom::parser parser;
  const Object stored(parser.parse(simdjson::padded_string(text_of_manifest)));
  for (const Value& tensor : list(stored.at("tensors"))) manifest.tensors.push_back(tensor_from(Object(tensor)));
  for (const Value& shard : list(stored.at("shards"))) manifest.shards.push_back(shard_from(Object(shard)));
  if (const Value* names = stored.find("transformed"))
    for (const Value& name : list(*names)) manifest.transformed.emplace_back(text(name));
  constexpr std::string_view kLast[] = {"tensors", "transformed", "shards", "checksum"};
  const auto is_last = [&](std::string_view key) { return std::find(std::begin(kLast), std::end(kLast), key) != std::end(kLast); };
  const std::vector<std::string_view> keys = stored.keys();
  return std::all_of(std::find_if(keys.begin(), keys.end(), is_last), keys.end(), is_last);
}

}  // namespace holdfast
