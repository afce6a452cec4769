#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "checkpoint/format/diff.h"
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
using testing::ThrowsMessage;
using testing::UnorderedElementsAre;

const auto differs = [](const std::string& tensor, const std::string& what) {
  return AllOf(Field(&TensorDifference::tensor, tensor), Field(&TensorDifference::what, what));
};

class Diff : public testing::Test {
 protected:
  Path make(const std::string& below, const std::vector<MadeTensor>& tensors, const CheckpointFacts& facts = {}) {
    return make_checkpoint(*files_, directory_.path() / below, tensors, facts);
  }
  std::vector<TensorDifference> between(const std::vector<MadeTensor>& a, const std::vector<MadeTensor>& b) {
    return diff_checkpoints(*files_, make("a", a), make("b", b));
  }

  std::string fresh_name() { return std::to_string(++names_); }

  int names_ = 0;
  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(Diff, EqualAtEveryWorldSize) {
  const std::vector<MadeTensor> tensors = {made("model/w", DType::f32, {1100, 1000}), made("model/b", DType::bf16, {7})};
  const Path one = make("one", tensors, {.world_size = 1});
  for (const int world_size : {2, 3, 4}) {
    const Path other = make(fresh_name(), tensors, {.world_size = world_size});
    EXPECT_THAT(diff_checkpoints(*files_, one, other), IsEmpty()) << world_size;
    EXPECT_EQ(state_hash(read_manifest(*files_, one)), state_hash(read_manifest(*files_, other))) << world_size;
  }
}

TEST_F(Diff, TellsHowManyElementsDifferWhereAndByHowMuch) {
  std::vector<float> a(600000, 1.0f), b = a;
  b[300000] = 1.5f;
  b[599999] = -1.0f;
  const auto found = between({made_of("model/w", DType::f32, {600, 1000}, a)}, {made_of("model/w", DType::f32, {600, 1000}, b)});
  ASSERT_THAT(found, ElementsAre(differs("model/w", "values")));
  EXPECT_EQ(found[0].elements, 2);
  EXPECT_EQ(found[0].first_index, 300000);
  EXPECT_THAT(found[0].first_place, ElementsAre(300, 0));
  EXPECT_EQ(found[0].max_absolute, 2.0);
  EXPECT_EQ(found[0].max_relative, 2.0);
}

TEST_F(Diff, ReadsTheValuesOfEveryDtype) {
  const auto largest = [this](DType dtype, const auto& a, const auto& b) {
    const auto size = static_cast<std::int64_t>(a.size());
    const auto found = diff_checkpoints(*files_, make(fresh_name(), {made_of("t", dtype, {size}, a)}),
                                        make(fresh_name(), {made_of("t", dtype, {size}, b)}));
    return found.size() == 1 ? found[0].max_absolute : -1;
  };
  EXPECT_EQ(largest(DType::u8, std::vector<std::uint8_t>{255}, std::vector<std::uint8_t>{0}), 255);
  EXPECT_EQ(largest(DType::boolean, std::vector<std::uint8_t>{1}, std::vector<std::uint8_t>{0}), 1);
  EXPECT_EQ(largest(DType::i8, std::vector<std::int8_t>{-128}, std::vector<std::int8_t>{1}), 129);
  EXPECT_EQ(largest(DType::i16, std::vector<std::int16_t>{-2}, std::vector<std::int16_t>{1}), 3);
  EXPECT_EQ(largest(DType::i32, std::vector<std::int32_t>{-2}, std::vector<std::int32_t>{1}), 3);
  EXPECT_EQ(largest(DType::i64, std::vector<std::int64_t>{-2}, std::vector<std::int64_t>{1}), 3);
  EXPECT_EQ(largest(DType::f64, std::vector<double>{0.25}, std::vector<double>{0}), 0.25);
  EXPECT_EQ(largest(DType::bf16, std::vector<std::uint16_t>{0x3f80}, std::vector<std::uint16_t>{0xc000}), 3);  // 1 and -2
  EXPECT_EQ(largest(DType::f16, std::vector<std::uint16_t>{0x3c00}, std::vector<std::uint16_t>{0xc000}), 3);   // 1 and -2
  EXPECT_EQ(largest(DType::f16, std::vector<std::uint16_t>{0x0001}, std::vector<std::uint16_t>{0x0000}), std::ldexp(1.0, -24));
}

TEST_F(Diff, NanEqualsTheSameNanAndDiffersFromEveryNumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const MadeTensor with = made_of("model/w", DType::f32, {3}, std::vector<float>{1, nan, 3}),
                   without = made_of("model/w", DType::f32, {3}, std::vector<float>{1, 2, 5});
  EXPECT_THAT(diff_checkpoints(*files_, make("1", {with}), make("2", {with})), IsEmpty());
  const auto found = between({with}, {without});
  ASSERT_THAT(found, ElementsAre(differs("model/w", "values")));
  EXPECT_EQ(found[0].elements, 2);
  EXPECT_TRUE(std::isnan(found[0].max_absolute));
}

TEST_F(Diff, AnInfiniteDifferenceIsInfiniteByBothMeasures) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto found =
      between({made_of("w", DType::f32, {2}, std::vector<float>{1, infinity})}, {made_of("w", DType::f32, {2}, std::vector<float>{1, 1})});
  ASSERT_THAT(found, ElementsAre(differs("w", "values")));
  EXPECT_EQ(found[0].max_absolute, infinity);
  EXPECT_EQ(found[0].max_relative, infinity);
}

TEST_F(Diff, MinusZeroIsAnotherValueThanZero) {
  const auto found =
      between({made_of("w", DType::f32, {1}, std::vector<float>{0.0f})}, {made_of("w", DType::f32, {1}, std::vector<float>{-0.0f})});
  ASSERT_THAT(found, ElementsAre(differs("w", "values")));
  EXPECT_EQ(found[0].elements, 1);
  EXPECT_EQ(found[0].max_absolute, 0);
}

TEST_F(Diff, NamesShapeDtypeAndWhatIsOnOneSideOnly) {
  EXPECT_THAT(
      between(
          {made("same", DType::f32, {4}), made("shape", DType::f32, {4}), made("dtype", DType::f32, {4}), made("a", DType::u8, {1})},
          {made("same", DType::f32, {4}), made("shape", DType::f32, {2, 2}), made("dtype", DType::i32, {4}), made("b", DType::u8, {1})}),
      UnorderedElementsAre(differs("shape", "shape"), differs("dtype", "dtype"), differs("a", "only in A"), differs("b", "only in B")));
}

TEST_F(Diff, ComparesPerRankTensorsRankByRank) {
  const std::vector<MadeTensor> tensors = {made("rng/cpu", DType::u8, {16}, TensorKind::per_rank)};
  const Path two = make("2", tensors, {.world_size = 2}), three = make("3", tensors, {.world_size = 3});
  EXPECT_THAT(diff_checkpoints(*files_, two, three), ElementsAre(differs("rng/cpu of rank 2", "only in B")));
  EXPECT_THAT(diff_checkpoints(*files_, three, two), ElementsAre(differs("rng/cpu of rank 2", "only in A")));
  const Path other = make("other", {made("rng/cpu", DType::u8, {16}, TensorKind::per_rank, 5)}, {.world_size = 2});
  EXPECT_THAT(diff_checkpoints(*files_, two, other),
              ElementsAre(differs("rng/cpu of rank 0", "values"), differs("rng/cpu of rank 1", "values")));
}

TEST_F(Diff, ComparesTheTrainersStateButNotItsWallClock) {
  const std::vector<MadeTensor> tensors = {made("w", DType::u8, {1})};
  const Path a = make("a", tensors, {.state = {{"samples_seen", 160}, {"wall_clock", {{"seconds", 1.5}}}, {"gone", true}}});
  const Path b = make("b", tensors, {.state = {{"samples_seen", 320}, {"wall_clock", {{"seconds", 2.5}}}}});
  EXPECT_THAT(diff_checkpoints(*files_, a, b),
              UnorderedElementsAre(differs("state/samples_seen", "160 and 320"), differs("state/gone", "true and nothing")));
}

TEST_F(Diff, TellsListsOfAnotherLengthByTheirLength) {
  using nlohmann::json;
  const json two = json::array({json{{"step", 7}}, json{{"step", 14}}}), other = json::array({json{{"step", 8}}});
  const Path a = make("a", {}, {.state = {{"validations", two}, {"callbacks", json::object()}}});
  const Path empty = make("empty", {}, {.state = {{"validations", json::array()}, {"callbacks", json::object()}}});
  const Path b = make("b", {}, {.state = {{"validations", other}, {"callbacks", {{"stop", 1}}}}});
  EXPECT_THAT(diff_checkpoints(*files_, a, empty), ElementsAre(differs("state/validations", "2 and 0 entries")));
  EXPECT_THAT(diff_checkpoints(*files_, a, b),
              UnorderedElementsAre(differs("state/validations", "2 and 1 entries"), differs("state/validations/0/step", "7 and 8"),
                                   differs("state/callbacks/stop", "nothing and 1")));
}

TEST_F(Diff, ReadsNoValuesWhereDigestsAgree) {
  const std::vector<MadeTensor> tensors = {made("w", DType::u8, {16})};
  const Path a = make("a", tensors, {.world_size = 1}), b = make("b", tensors, {.world_size = 1});
  std::filesystem::remove(b / shard_name(0, 1));
  EXPECT_THAT(diff_checkpoints(*files_, a, b), IsEmpty());
}

TEST_F(Diff, ReadsOnlyTheBlocksThatDiffer) {
  constexpr std::int64_t kElements = 3 * static_cast<std::int64_t>(kDigestBlockBytes);
  std::vector<std::uint8_t> values(kElements, 7), others = values;
  others[kDigestBlockBytes + 5] = 9;
  const Path a = make("a", {made_of("w", DType::u8, {kElements}, values)}, {.world_size = 1}),
             b = make("b", {made_of("w", DType::u8, {kElements}, others)}, {.world_size = 1});
  const std::uint64_t begin = read_manifest(*files_, b).shards[0].pieces[0].file_offset;
  flip_bit(b / shard_name(0, 1), begin);  // in the first and the last block, which verify would find
  flip_bit(b / shard_name(0, 1), begin + kElements - 1);
  std::uint64_t done = 0, total = 0;
  const auto found = diff_checkpoints(*files_, a, b, [&](std::uint64_t d, std::uint64_t t) { done = d, total = t; });
  ASSERT_THAT(found, ElementsAre(differs("w", "values")));
  EXPECT_EQ(found[0].elements, 1);
  EXPECT_EQ(found[0].first_index, static_cast<std::int64_t>(kDigestBlockBytes) + 5);
  EXPECT_EQ(done, 2 * kDigestBlockBytes);
  EXPECT_EQ(total, done);
}

TEST_F(Diff, ComparesTensorsThatAreCutAtDifferentPlaces) {
  const auto cut_at = [this](const std::string& below, std::int64_t cut, std::vector<std::uint8_t> values) {
    const TensorInfo info{"optimizers/m", DType::u8, {4}, TensorKind::sharded};
    const Path checkpoint = make(below, {});
    edit_manifest(*files_, checkpoint, [](auto& manifest) {
      manifest["tensors"].push_back({{"name", "optimizers/m"}, {"dtype", "uint8"}, {"kind", "sharded"}, {"shape", {4}}});
    });
    const auto bytes = std::as_bytes(std::span(values));
    for (int rank = 0; rank < 2; ++rank) {
      std::filesystem::remove(checkpoint / shard_name(rank, 2));
      const Slice slice = rank == 0 ? Slice{0, cut} : Slice{cut, 4 - cut};
      const std::vector<PieceBytes> pieces = {
          {info, slice, bytes.subspan(static_cast<std::size_t>(slice.offset), static_cast<std::size_t>(slice.count))}};
      const ShardRecord record = write_shard(*files_, checkpoint / shard_name(rank, 2), pieces, rank, 2);
      edit_manifest(*files_, checkpoint, [&](auto& manifest) {
        manifest["shards"][static_cast<std::size_t>(rank)] = nlohmann::ordered_json::parse(to_text(record));
      });
    }
    return checkpoint;
  };
  const Path one = cut_at("one", 1, {1, 2, 3, 4});
  EXPECT_THAT(diff_checkpoints(*files_, one, cut_at("two", 2, {1, 2, 3, 4})), IsEmpty());
  const auto found = diff_checkpoints(*files_, one, cut_at("three", 3, {1, 2, 9, 4}));
  ASSERT_THAT(found, ElementsAre(differs("optimizers/m", "values")));
  EXPECT_EQ(found[0].first_index, 2);
}

TEST_F(Diff, RefusesADamagedCheckpoint) {
  const Path a = make("a", {made("w", DType::u8, {16})}, {.world_size = 1}),
             b = make("b", {made("w", DType::u8, {16}, TensorKind::replicated, 2)}, {.world_size = 1});
  flip_bit(b / shard_name(0, 1), read_manifest(*files_, b).shards[0].pieces[0].file_offset);
  EXPECT_THAT([&] { diff_checkpoints(*files_, a, b); },
              ThrowsMessage<CorruptCheckpoint>(AllOf(HasSubstr("shard-00000-of-00001.h5"), HasSubstr("dataset w, block 0"))));
}

TEST_F(Diff, TheStateHashFollowsValuesNamesAndPrefix) {
  const auto hash = [this](const std::vector<MadeTensor>& tensors, const std::string& prefix) {
    return state_hash(read_manifest(*files_, make(fresh_name(), tensors)), prefix);
  };
  const MadeTensor w = made("model/w", DType::f32, {8}), v = made("model/v", DType::f32, {8}),
                   m = made("optimizers/m", DType::f32, {8}, TensorKind::replicated, 2);
  EXPECT_EQ(hash({w, m}, "model/"), hash({w}, "model/"));
  EXPECT_NE(hash({w, m}, ""), hash({w}, ""));
  EXPECT_NE(hash({w}, "model/"), hash({v}, "model/")) << "the same bytes under another name";
  EXPECT_NE(hash({w}, "model/"), hash({made("model/w", DType::f32, {2, 4})}, "model/")) << "the same bytes in another shape";
  EXPECT_NE(hash({w}, "model/"), hash({made("model/w", DType::f32, {8}, TensorKind::replicated, 3)}, "model/"));
  EXPECT_EQ(hash({w, v}, "model/"), hash({v, w}, "model/")) << "whatever the order";
}

}  // namespace
}  // namespace holdfast
