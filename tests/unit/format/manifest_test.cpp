#include "checkpoint/format/manifest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "checkpoint/format/stored_tensor.h"
#include "stored_checkpoint.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Manifest example() {
  const std::vector<Digest> digests = {digest_of("a"), digest_of("b"), digest_of("c")};
  Manifest manifest{
      .id = "4f2a",
      .global_step = 1000,
      .version = 2,
      .attempt = 3,
      .world_size = 2,
      .created = "2024-01-01T00:00:00Z",
      .role = "transformed:ema",
      .is_resumable = false,
      .entries = {"regular", "b\"est"},
      .tensors = {{"model/w", DType::f32, {3, 1 << 18}, TensorKind::replicated}, {"rng/cpu", DType::u8, {4}, TensorKind::per_rank}},
      .state = {{"loss", 0.1}, {"checksum", "\"checksum\": \"00000000000000000000000000000000\""}},
      .options = {{"name", "ä\n"}},
      .environment = {{"threads", 1}}};
  manifest.shards = {{.file = "shard-00000-of-00002.h5",
                      .rank = 0,
                      .host = "node-1",
                      .bytes = 3000000,
                      .head_bytes = 4096,
                      .head = digests[0],
                      .pieces = {{"model/w", {0, 2 << 18}, 4096, {digests[0], digests[1]}}, {"rng/cpu", {0, 4}, 2102000, {digests[2]}}}},
                     {.file = "shard-00001-of-00002.h5",
                      .rank = 1,
                      .host = "node-2",
                      .bytes = 3000000,
                      .head_bytes = 4096,
                      .head = digests[1],
                      .pieces = {{"model/w", {2 << 18, 1 << 18}, 4096, {digests[2]}}, {"rng/cpu", {0, 4}, 2102000, {digests[0]}}}}};
  return manifest;
}

TEST(Manifest, ReadsBackEveryField) {
  const Manifest written = example(), read = manifest_from_text(to_text(written), "here");
  EXPECT_EQ(read.id, written.id);
  EXPECT_EQ(read.global_step, 1000);
  EXPECT_EQ(read.version, 2);
  EXPECT_EQ(read.attempt, 3);
  EXPECT_EQ(read.world_size, 2);
  EXPECT_EQ(read.created, written.created);
  EXPECT_EQ(read.role, "transformed:ema");
  EXPECT_FALSE(read.is_resumable);
  EXPECT_EQ(read.entries, written.entries);
  EXPECT_EQ(read.tensors, written.tensors);
  EXPECT_EQ(read.state, written.state);
  EXPECT_EQ(read.options, written.options);
  EXPECT_EQ(read.environment, written.environment);
  ASSERT_EQ(read.shards.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(to_text(read.shards[i]), to_text(written.shards[i]));
}

TEST(Manifest, WrittenTwiceIsTheSameText) { EXPECT_EQ(to_text(manifest_from_text(to_text(example()), "here")), to_text(example())); }

TEST(Manifest, DoublesKeepEveryBit) {
  Manifest manifest = example();
  manifest.state = {{"loss", 0.1 + 0.2}, {"tiny", 5e-324}, {"third", 1.0 / 3}};
  EXPECT_EQ(manifest_from_text(to_text(manifest), "here").state, manifest.state);
}

TEST(Manifest, TheChecksumIsThatOfTheTextWithZerosInItsPlace) {
  std::string text = to_text(example());
  const std::string digits = ordered_json::parse(text).at("checksum");
  const std::size_t at = text.rfind(digits);
  EXPECT_EQ(text.substr(at + 32), "\"\n}\n") << "the last member";
  text.replace(at, 32, 32, '0');
  EXPECT_EQ(to_hex(digest_of(text)), digits);
}

struct Edit {
  const char* what;
  std::function<void(ordered_json&)> edit;
  const char* words;
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.what; }

/// Manifests with a right checksum that do not make sense: made by a faulty program, or by hand.
class SenselessManifest : public testing::TestWithParam<Edit> {};

TEST_P(SenselessManifest, IsRefused) {
  ordered_json manifest = ordered_json::parse(to_text(example()));
  GetParam().edit(manifest);
  const std::string text = with_checksum(manifest.dump(2));
  EXPECT_THAT([&] { manifest_from_text(text, "here/manifest.json"); },
              ThrowsMessage<CorruptCheckpoint>(AllOf(HasSubstr("here/manifest.json"), HasSubstr(GetParam().words), HasSubstr("next: "))));
}

INSTANTIATE_TEST_SUITE_P(
    Each, SenselessManifest,
    testing::Values(
        Edit{"shard_outside_the_directory", [](auto& m) { m["shards"][0]["file"] = "../shard-00000-of-00002.h5"; },
             "shard-00000-of-00002.h5"},
        Edit{"shards_exchanged", [](auto& m) { std::swap(m["shards"][0], m["shards"][1]); }, "of rank 1"},
        Edit{"a_shard_less", [](auto& m) { m["shards"].erase(1); }, "expected 2 shards, found 1"},
        Edit{"no_ranks", [](auto& m) { m["world_size"] = 0; }, "shards"},
        Edit{"tensor_twice", [](auto& m) { m["tensors"].push_back(m["tensors"][0]); }, "model/w twice"},
        Edit{"tensor_without_piece",
             [](auto& m) {
               m["tensors"].push_back({{"name", "model/v"}, {"dtype", "int8"}, {"shape", {2}}, {"kind", "replicated"}});
             },
             "all 2 elements of model/v"},
        Edit{"piece_without_tensor", [](auto& m) { m["shards"][0]["pieces"][0]["tensor"] = "model/v"; }, "model/v"},
        Edit{"piece_behind_its_tensor", [](auto& m) { m["shards"][1]["pieces"][0]["offset"] = 1 << 20; }, "a slice inside 786432 elements"},
        Edit{"piece_before_its_tensor", [](auto& m) { m["shards"][0]["pieces"][0]["offset"] = -1; }, "a slice inside"},
        Edit{"piece_of_a_negative_count", [](auto& m) { m["shards"][0]["pieces"][0]["count"] = -1; }, "a slice inside"},
        Edit{"piece_behind_its_file", [](auto& m) { m["shards"][0]["pieces"][0]["file_offset"] = 2999999; },
             "inside the file of 3000000 bytes"},
        Edit{"piece_in_the_head", [](auto& m) { m["shards"][0]["pieces"][0]["file_offset"] = 4095; }, "inside the file"},
        Edit{"head_longer_than_its_file", [](auto& m) { m["shards"][0]["head_bytes"] = 3000001; }, "a head inside the file"},
        Edit{"overlapping_pieces", [](auto& m) { m["shards"][1]["pieces"][0]["offset"] = 1 << 18; }, "of model/w next"},
        Edit{"gap_between_pieces", [](auto& m) { m["shards"][0]["pieces"][0]["count"] = (2 << 18) - 1; }, "of model/w next"},
        Edit{"per_rank_tensor_of_one_rank_only", [](auto& m) { m["shards"][1]["pieces"].erase(1); }, "rng/cpu once for each rank"},
        Edit{"a_digest_less", [](auto& m) { m["shards"][0]["pieces"][0]["blocks"] = std::string(32, '0'); },
             "a digest for each block of model/w"},
        Edit{"half_a_digest", [](auto& m) { m["shards"][0]["pieces"][0]["blocks"] = "0000"; }, "no multiple of 32"},
        Edit{"digest_that_is_no_number", [](auto& m) { m["shards"][0]["head"] = std::string(32, 'x'); },
             "expected a digest of 32 lower-case hexadecimal digits"},
        Edit{"unknown_dtype", [](auto& m) { m["tensors"][0]["dtype"] = "float8"; }, "unknown dtype 'float8'"},
        Edit{"unknown_kind", [](auto& m) { m["tensors"][0]["kind"] = "shared"; }, "unknown kind of tensor 'shared'"},
        Edit{"negative_extent",
             [](auto& m) {
               m["tensors"][0]["shape"] = {-3, 5};
             },
             "a negative extent"},
        Edit{"shape_beyond_all_memory",
             [](auto& m) {
               m["tensors"][0]["shape"] = {std::int64_t{1} << 40, std::int64_t{1} << 40};
             },
             "model/w has more bytes than any file"},
        Edit{"digest_in_capitals", [](auto& m) { m["shards"][0]["head"] = std::string(32, 'A'); },
             "32 lower-case hexadecimal digits, found 'AA"},
        Edit{"nothing_for_a_list_of_tensors", [](auto& m) { m["tensors"] = nullptr; }, "expected a list, found null"},
        Edit{"object_for_a_list_of_shards",
             [](auto& m) {
               m["shards"] = {{"first", m["shards"][0]}, {"second", m["shards"][1]}};
             },
             "expected a list, found {"},
        Edit{"nothing_for_a_list_of_pieces", [](auto& m) { m["shards"][1]["pieces"] = nullptr; }, "expected a list, found null"},
        Edit{"text_for_a_number", [](auto& m) { m["global_step"] = "ten"; }, "expected a whole number, found \"ten\""}),
    [](const auto& made) { return made.param.what; });

class FieldOfAManifest : public testing::TestWithParam<const char*> {};

TEST_P(FieldOfAManifest, IsNamedWhenItIsMissing) {
  ordered_json manifest = ordered_json::parse(to_text(example()));
  ASSERT_EQ(manifest.erase(GetParam()), 1u);
  const std::string text = with_checksum(manifest.dump(2));
  EXPECT_THAT([&] { manifest_from_text(text, "here"); },
              ThrowsMessage<CorruptCheckpoint>(HasSubstr(fmt::format("key '{}' not found", GetParam()))));
}

INSTANTIATE_TEST_SUITE_P(Each, FieldOfAManifest,
                         testing::Values("format", "format_version", "id", "global_step", "version", "attempt", "world_size", "created",
                                         "role", "is_resumable", "entries", "state", "options", "environment", "tensors", "shards"));

TEST(StoredTensor, AnEmptySliceHidesNoOtherThatBeginsAtTheSameElement) {
  TemporaryDirectory directory;
  const auto files = make_posix_file_system();
  const TensorInfo info{"optimizers/m", DType::u8, {4}, TensorKind::sharded};
  const std::vector<std::byte> bytes = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  const auto write = [&](int rank, Slice slice, std::span<const std::byte> data) {
    const std::vector<PieceBytes> pieces = {{info, slice, data}};
    return write_shard(*files, directory.path() / shard_name(rank, 2), pieces, rank, 2);
  };
  Manifest manifest = example();
  manifest.tensors = {info};
  manifest.shards = {write(0, {0, 4}, bytes), write(1, {0, 0}, {})};
  TensorReader reader(*files, directory.path(), manifest);
  EXPECT_EQ(reader.read(info), bytes);
  ASSERT_EQ(reader.index().blocks(info).size(), 1u);
  EXPECT_EQ(reader.index().blocks(info)[0].digest(), digest_of(bytes));
}

}  // namespace
}  // namespace holdfast
