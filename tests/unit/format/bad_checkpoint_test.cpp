// Damaged checkpoints: each is refused with the exception that means "fall back", and the message names what is damaged.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/error.h"
#include "checkpoint/format/copies.h"
#include "checkpoint/format/stored_tensor.h"
#include "checkpoint/format/verify.h"
#include "stored_checkpoint.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::ThrowsMessage;

class BadCheckpoint : public testing::Test {
 protected:
  Path make(const Path& below, std::uint64_t seed = 1, CheckpointFacts facts = {}) {
    const std::vector<MadeTensor> tensors = {made("model/w", DType::f32, {700, 1000}, TensorKind::replicated, seed),
                                             made("model/b", DType::f32, {10}, TensorKind::replicated, seed + 1),
                                             made("model/c", DType::f32, {10}, TensorKind::replicated, seed + 2),
                                             made("rng/cpu", DType::u8, {64}, TensorKind::per_rank, seed + 3)};
    return make_checkpoint(*files_, directory_.path() / below, tensors, facts);
  }
  Path shard(int rank) const { return checkpoint_ / shard_name(rank, 2); }
  const PieceRecord& piece(int rank, const std::string& tensor) const {
    for (const PieceRecord& piece : sound_.shards.at(static_cast<std::size_t>(rank)).pieces)
      if (piece.tensor == tensor) return piece;
    throw std::out_of_range(tensor);
  }
  /// Reads every tensor, as a restore does.
  void read_all() {
    const Manifest manifest = read_manifest(*files_, checkpoint_);
    TensorReader reader(*files_, checkpoint_, manifest);
    for (const TensorInfo& tensor : manifest.tensors)
      for (int rank = 0; rank < (tensor.kind == TensorKind::per_rank ? manifest.world_size : 1); ++rank) reader.read(tensor, rank);
  }
  template <class Words>
  void expect_refused(const Words& words) {
    EXPECT_THAT([this] { read_all(); }, ThrowsMessage<CorruptCheckpoint>(words));
    EXPECT_THAT(verify_checkpoint(*files_, checkpoint_), testing::Contains(Field(&Finding::text, words)));
  }

  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  Path checkpoint_ = make("checkpoints");
  Manifest sound_ = read_manifest(*files_, checkpoint_);
};

TEST_F(BadCheckpoint, ASoundOneHasNoFinding) {
  EXPECT_NO_THROW(read_all());
  std::uint64_t done = 0, total = 0;
  EXPECT_THAT(verify_checkpoint(*files_, checkpoint_, [&](std::uint64_t d, std::uint64_t t) { done = d, total = t; }), IsEmpty());
  EXPECT_GT(done, 700u * 1000 * 4);
  EXPECT_LE(done, total);
}

TEST_F(BadCheckpoint, TruncatedShard) {
  const auto size = std::filesystem::file_size(shard(1));
  std::filesystem::resize_file(shard(1), size - 1);
  expect_refused(AllOf(HasSubstr("shard-00001-of-00002.h5"), HasSubstr(fmt::format("expected {} bytes, found {}", size, size - 1)),
                       HasSubstr("next: ")));
}

TEST_F(BadCheckpoint, ShardOfNoBytes) {
  std::filesystem::resize_file(shard(0), 0);
  expect_refused(AllOf(HasSubstr("shard-00000-of-00002.h5"), HasSubstr("found 0")));
}

TEST_F(BadCheckpoint, ShardThatGrew) {
  std::filesystem::resize_file(shard(0), std::filesystem::file_size(shard(0)) + 1);
  expect_refused(AllOf(HasSubstr("shard-00000-of-00002.h5"), HasSubstr("bytes, found")));
}

TEST_F(BadCheckpoint, SwappedShards) {
  // Made equal in size, so that only the contents tell.
  const std::vector<MadeTensor> tensors = {made("model/b", DType::f32, {10}), made("model/c", DType::f32, {10})};
  checkpoint_ = make_checkpoint(*files_, directory_.path() / "other", tensors);
  ASSERT_EQ(std::filesystem::file_size(shard(0)), std::filesystem::file_size(shard(1)));
  std::filesystem::rename(shard(0), checkpoint_ / "kept");
  std::filesystem::rename(shard(1), shard(0));
  std::filesystem::rename(checkpoint_ / "kept", shard(1));
  expect_refused(AllOf(HasSubstr("shard-00000-of-00002.h5"), HasSubstr("expected a head of"), HasSubstr("with digest")));
}

TEST_F(BadCheckpoint, MissingShard) {
  std::filesystem::remove(shard(1));
  expect_refused(AllOf(HasSubstr("shard-00001-of-00002.h5"), HasSubstr("expected a file, found none")));
}

TEST_F(BadCheckpoint, ShardThatIsADirectory) {
  std::filesystem::remove(shard(1));
  files_->make_directory(shard(1));
  expect_refused(AllOf(HasSubstr("shard-00001-of-00002.h5"), HasSubstr("expected a file")));
}

TEST_F(BadCheckpoint, OneFlippedBitNamesShardDatasetAndBlock) {
  const PieceRecord& damaged = piece(1, "model/w");
  ASSERT_EQ(damaged.blocks.size(), 2u);
  const std::uint64_t second_block = damaged.file_offset + kDigestBlockBytes;
  flip_bit(shard(1), second_block + 12345, 6);
  expect_refused(AllOf(HasSubstr("shard-00001-of-00002.h5, dataset model/w, block 1"), HasSubstr(fmt::format("from byte {}", second_block)),
                       HasSubstr("expected digest " + to_hex(damaged.blocks[1])), HasSubstr("next: ")));
  EXPECT_THAT(verify_checkpoint(*files_, checkpoint_),
              ElementsAre(AllOf(Field(&Finding::shard, "shard-00001-of-00002.h5"), Field(&Finding::dataset, "model/w"))));
}

TEST_F(BadCheckpoint, TheLastByteOfADatasetCounts) {
  const PieceRecord& damaged = piece(0, "rng/cpu");
  flip_bit(shard(0), damaged.file_offset + 63, 7);
  expect_refused(HasSubstr("shard-00000-of-00002.h5, dataset rng/cpu, block 0"));
}

TEST_F(BadCheckpoint, AFlippedBitInTheHeadNamesTheShard) {
  for (const std::uint64_t byte : {std::uint64_t{0}, std::uint64_t{100}, sound_.shards[0].head_bytes - 1}) {
    flip_bit(shard(0), byte);
    expect_refused(AllOf(HasSubstr("shard-00000-of-00002.h5"), HasSubstr("head of")));
    flip_bit(shard(0), byte);
  }
  EXPECT_NO_THROW(read_all());
}

TEST_F(BadCheckpoint, EveryByteThatHoldsSomethingIsCovered) {
  // Only padding between datasets is not: nobody reads it.
  const ShardRecord& record = sound_.shards[0];
  const auto holds_something = [&](std::uint64_t byte) {
    if (byte < record.head_bytes) return true;
    for (const PieceRecord& piece : record.pieces) {
      const std::uint64_t bytes = static_cast<std::uint64_t>(piece.slice.count) * (piece.tensor == "rng/cpu" ? 1 : 4);
      if (byte >= piece.file_offset && byte < piece.file_offset + bytes) return true;
    }
    return false;
  };
  std::uint64_t random = 7;
  int covered = 0;
  for (int i = 0; i < 100; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t byte = (random >> 16) % record.bytes;
    flip_bit(shard(0), byte, i % 8);
    EXPECT_EQ(!verify_checkpoint(*files_, checkpoint_).empty(), holds_something(byte)) << byte;
    flip_bit(shard(0), byte, i % 8);
    covered += holds_something(byte);
  }
  EXPECT_GT(covered, 50);
}

TEST_F(BadCheckpoint, VerifyNamesAllThatIsDamagedNotOnlyTheFirst) {
  flip_bit(shard(0), piece(0, "model/w").file_offset);
  flip_bit(shard(0), piece(0, "rng/cpu").file_offset);
  std::filesystem::remove(shard(1));
  EXPECT_THAT(verify_checkpoint(*files_, checkpoint_), testing::SizeIs(3));
}

TEST_F(BadCheckpoint, WhateverFailsWhileItIsReadIsAFindingOfThatShard) {
  const auto fails = [](const std::function<void()>& fail) {
    return [fail](const ShardRecord& shard, const StoredBlock&, std::span<const std::byte>) {
      if (shard.rank == 1) fail();
    };
  };
  EXPECT_THAT(scan_shards(*files_, checkpoint_, sound_, fails([] { throw std::bad_alloc(); })),
              ElementsAre(AllOf(Field(&Finding::shard, "shard-00001-of-00002.h5"),
                                Field(&Finding::text, AllOf(HasSubstr(shard(1).string()), HasSubstr("bad_alloc"))))));
  EXPECT_THAT(scan_shards(*files_, checkpoint_, sound_, fails([] { throw 1; })),
              ElementsAre(AllOf(Field(&Finding::shard, "shard-00001-of-00002.h5"), Field(&Finding::text, HasSubstr(shard(1).string())))));
}

TEST_F(BadCheckpoint, AnExtraFileIsFoundByVerifyAndDoesNotPreventARestore) {
  replace_text(checkpoint_ / "notes.txt", "mine");
  EXPECT_THAT(verify_checkpoint(*files_, checkpoint_),
              ElementsAre(AllOf(Field(&Finding::shard, "notes.txt"), Field(&Finding::text, HasSubstr("no part of this checkpoint")))));
  EXPECT_NO_THROW(read_all());
}

TEST_F(BadCheckpoint, NewerFormatVersion) {
  edit_manifest(*files_, checkpoint_, [](auto& manifest) { manifest["format_version"] = 2; });
  expect_refused(
      AllOf(HasSubstr("manifest.json"), HasSubstr("expected format version 1, found 2"), HasSubstr("next: "), HasSubstr("newer")));
}

TEST_F(BadCheckpoint, AnotherFormat) {
  edit_manifest(*files_, checkpoint_, [](auto& manifest) { manifest["format"] = "someone-elses"; });
  expect_refused(AllOf(HasSubstr("expected holdfast-checkpoint"), HasSubstr("someone-elses")));
}

TEST_F(BadCheckpoint, MissingManifest) {
  std::filesystem::remove(checkpoint_ / kManifestName);
  const auto words = AllOf(HasSubstr("manifest.json"), HasSubstr("No such file"));
  EXPECT_THAT([this] { read_all(); }, ThrowsMessage<StorageError>(words));
  EXPECT_THAT(verify_checkpoint(*files_, checkpoint_), ElementsAre(Field(&Finding::text, words)));
}

TEST_F(BadCheckpoint, ManifestThatIsALinkOrAPipe) {
  std::filesystem::rename(checkpoint_ / kManifestName, directory_.path() / "elsewhere");
  std::filesystem::create_symlink(directory_.path() / "elsewhere", checkpoint_ / kManifestName);
  expect_refused(HasSubstr("manifest.json: expected a file"));
  std::filesystem::remove(checkpoint_ / kManifestName);
  ASSERT_EQ(::mkfifo((checkpoint_ / kManifestName).c_str(), 0600), 0);
  expect_refused(HasSubstr("manifest.json: expected a file"));
}

TEST_F(BadCheckpoint, ManifestThatIsNoJson) {
  replace_text(checkpoint_ / kManifestName, with_checksum("{ \"checksum\": \"00000000000000000000000000000000\"\n"));
  expect_refused(AllOf(HasSubstr("manifest.json"), HasSubstr("improper structure")));
}

TEST_F(BadCheckpoint, ManifestWithANumberThatIsNoneOfItsKind) {
  const std::string sound = read_text(*files_, checkpoint_ / kManifestName);
  for (const nlohmann::ordered_json& strange : {nlohmann::ordered_json(1.5), nlohmann::ordered_json(true), nlohmann::ordered_json(1e300),
                                                nlohmann::ordered_json((std::int64_t{1} << 32) + 2), nlohmann::ordered_json("2")}) {
    replace_text(checkpoint_ / kManifestName, sound);
    edit_manifest(*files_, checkpoint_, [&](nlohmann::ordered_json& manifest) { manifest["world_size"] = strange; });
    expect_refused(HasSubstr("expected a whole number, found " + strange.dump()));
  }
}

TEST_F(BadCheckpoint, ManifestNestedSoDeepThatItWouldOverflowTheStack) {
  const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
  replace_text(checkpoint_ / kManifestName,
               with_checksum("{\"format\": " + deep + ", \"checksum\": \"00000000000000000000000000000000\"}\n"));
  expect_refused(HasSubstr("too deep"));
}

TEST_F(BadCheckpoint, ManifestWhoseStateIsNestedDeeperThanAnyIs) {
  const std::string sound = read_text(*files_, checkpoint_ / kManifestName), key = "\"state\": ";
  const std::size_t at = sound.find(key) + key.size();
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  replace_text(checkpoint_ / kManifestName, with_checksum(std::string(sound).replace(at, sound.find(",\n", at) - at, deep)));
  expect_refused(HasSubstr("nested deeper than 100 levels"));
}

TEST_F(BadCheckpoint, ManifestCutAnywhere) {
  const std::string text = read_text(*files_, checkpoint_ / kManifestName);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_THAT([&] { manifest_from_text(text.substr(0, size), "here"); }, ThrowsMessage<CorruptCheckpoint>(HasSubstr("read here")));
}

TEST_F(BadCheckpoint, ManifestWithAnyBitFlipped) {
  std::string text = read_text(*files_, checkpoint_ / kManifestName);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    const auto flip = [&] { text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8)); };
    flip();
    EXPECT_THROW(manifest_from_text(text, "here"), CorruptCheckpoint) << "bit " << bit;
    flip();
  }
  EXPECT_NO_THROW(manifest_from_text(text, "here"));
}

TEST_F(BadCheckpoint, ManifestWithAWrongChecksumTellsBoth) {
  std::string text = read_text(*files_, checkpoint_ / kManifestName);
  text.replace(text.find("0123456789abcdef"), 1, "f");
  replace_text(checkpoint_ / kManifestName, text);
  expect_refused(AllOf(HasSubstr("manifest.json"), HasSubstr("expected checksum "), HasSubstr("found ")));
}

TEST_F(BadCheckpoint, ManifestOfAnotherRunOfTheSameConfiguration) {
  const Path other = make("other", 99);
  std::filesystem::copy_file(other / kManifestName, checkpoint_ / kManifestName, std::filesystem::copy_options::overwrite_existing);
  expect_refused(HasSubstr("shard-00000-of-00002.h5, dataset model/w, block 0"));
}

TEST_F(BadCheckpoint, ManifestOfAnotherStep) {
  const Path other = make("checkpoints", 1, {.step = 20});
  std::filesystem::copy_file(other / kManifestName, checkpoint_ / kManifestName, std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(verify_checkpoint(*files_, checkpoint_),
              testing::Contains(Field(&Finding::text, HasSubstr("expected step-00000020, by its manifest"))));
}

TEST_F(BadCheckpoint, ManifestOfAnotherWorldSize) {
  const Path other = make("other", 1, {.world_size = 3});
  std::filesystem::copy_file(other / kManifestName, checkpoint_ / kManifestName, std::filesystem::copy_options::overwrite_existing);
  expect_refused(AllOf(HasSubstr("shard-00000-of-00003.h5"), HasSubstr("expected a file, found none")));
}

TEST_F(BadCheckpoint, AShardOfAnotherRunIsRefusedByItsBytes) {
  const Path other = make("other", 99);
  std::filesystem::copy_file(other / shard_name(1, 2), shard(1), std::filesystem::copy_options::overwrite_existing);
  expect_refused(AllOf(HasSubstr("shard-00001-of-00002.h5, dataset model/w, block 0"), Not(HasSubstr("head"))));
}

TEST_F(BadCheckpoint, ATransformedCopyBelongsToTheStateThatItLiesIn) {
  const Path copy = checkpoint_ / "ema";
  const auto put = [&](const std::function<void(nlohmann::ordered_json&)>& edit) {
    std::filesystem::remove_all(copy);
    std::filesystem::rename(make("made"), copy);
    edit_manifest(*files_, copy, [&](auto& manifest) {
      manifest.update({{"role", "transformed:ema"}, {"is_resumable", false}, {"original", sound_.id}});
      edit(manifest);
    });
  };
  edit_manifest(*files_, checkpoint_, [](auto& manifest) { manifest["transformed"] = {"ema"}; });
  put([](auto&) {});
  EXPECT_THAT(verify_checkpoint(*files_, checkpoint_), IsEmpty());
  EXPECT_THAT(verify_checkpoint(*files_, copy), IsEmpty());
  for (const auto& [key, value] : std::vector<std::pair<std::string, nlohmann::json>>{
           {"original", "another"}, {"global_step", 20}, {"version", 1}, {"role", "transformed:bf16"}, {"role", "original"}}) {
    put([&, &key = key, &value = value](auto& manifest) { manifest[key] = value; });
    const auto words = AllOf(HasSubstr(copy.string()), HasSubstr("expected role transformed:ema of step-00000010, original " + sound_.id));
    EXPECT_THAT(verify_checkpoint(*files_, checkpoint_), ElementsAre(AllOf(Field(&Finding::shard, "ema/"), Field(&Finding::text, words))))
        << key;
    EXPECT_THAT([&] { read_copies(*files_, checkpoint_, read_manifest(*files_, checkpoint_)); }, ThrowsMessage<CorruptCheckpoint>(words))
        << key;
    if (value != "original") {
      EXPECT_THAT(verify_checkpoint(*files_, copy), ElementsAre(Field(&Finding::text, words))) << key;
    }
  }
  std::filesystem::rename(copy, directory_.path() / "by_itself");
  EXPECT_THAT(verify_checkpoint(*files_, directory_.path() / "by_itself"), IsEmpty()) << "outside of a state it stands for itself";
}

}  // namespace
}  // namespace holdfast
