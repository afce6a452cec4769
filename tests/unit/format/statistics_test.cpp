// Figures of stored values: exact, the same however the tensor is cut, rank by rank where each rank has its own.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "checkpoint/format/statistics.h"
#include "stored_checkpoint.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class Statistics : public testing::Test {
 protected:
  Path make(const std::vector<MadeTensor>& tensors, int world_size) {
    return make_checkpoint(*files_, directory_.path() / std::to_string(++made_), tensors, {.world_size = world_size});
  }
  std::vector<std::vector<TensorStatistics>> of(const Path& checkpoint) {
    return tensor_statistics(*files_, checkpoint, read_manifest(*files_, checkpoint));
  }
  template <class T>
  TensorStatistics of_values(DType dtype, const std::vector<T>& values) {
    return of(make({made_of("t", dtype, {static_cast<std::int64_t>(values.size())}, values)}, 1)).at(0).at(0);
  }
  template <class T>
  void expect(DType dtype, const std::vector<T>& values, double min, double max, double mean) {
    const TensorStatistics found = of_values(dtype, values);
    EXPECT_EQ(found.elements, static_cast<std::int64_t>(values.size())) << name_of(dtype);
    EXPECT_EQ(found.min, min) << name_of(dtype);
    EXPECT_EQ(found.max, max) << name_of(dtype);
    EXPECT_EQ(found.mean, mean) << name_of(dtype);
    EXPECT_EQ(found.nans, 0) << name_of(dtype);
  }

  int made_ = 0;
  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(Statistics, OfEveryDtype) {
  expect(DType::u8, std::vector<std::uint8_t>{255, 1, 2}, 1, 255, 86);
  expect(DType::boolean, std::vector<std::uint8_t>{1, 0, 0, 1}, 0, 1, 0.5);
  expect(DType::i8, std::vector<std::int8_t>{-128, 126}, -128, 126, -1);
  expect(DType::i16, std::vector<std::int16_t>{-300, 100}, -300, 100, -100);
  expect(DType::i32, std::vector<std::int32_t>{-70000, 10000}, -70000, 10000, -30000);
  expect(DType::i64, std::vector<std::int64_t>{-(std::int64_t{1} << 40), 0}, -std::ldexp(1.0, 40), 0, -std::ldexp(1.0, 39));
  expect(DType::f32, std::vector<float>{-1.5f, 2.5f}, -1.5, 2.5, 0.5);
  expect(DType::f64, std::vector<double>{-0.25, 0.75}, -0.25, 0.75, 0.25);
  expect(DType::bf16, std::vector<std::uint16_t>{0x3f80, 0xc000}, -2, 1, -0.5);                    // 1 and -2
  expect(DType::f16, std::vector<std::uint16_t>{0x3c00, 0xc000, 0x7bff}, -2, 65504, 65503.0 / 3);  // 1, -2 and the largest
}

TEST_F(Statistics, IntegersBeyondTheMantissaOfADoubleAreExact) {
  const std::int64_t large = (std::int64_t{1} << 62) + 1;
  const nlohmann::json json = to_json(of_values(DType::i64, std::vector<std::int64_t>{large, -large}), DType::i64);
  EXPECT_EQ(json["max"].get<std::int64_t>(), large);
  EXPECT_EQ(json["min"].get<std::int64_t>(), -large);
}

TEST_F(Statistics, CountNanAndInfinityAndLeaveNanOut) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const TensorStatistics some = of_values(DType::f32, std::vector<float>{nan, 1, 3, nan, -4});
  EXPECT_EQ(some.nans, 2);
  EXPECT_EQ(some.min, -4);
  EXPECT_EQ(some.max, 3);
  EXPECT_EQ(some.mean, 0);
  const TensorStatistics infinite = of_values(DType::f32, std::vector<float>{1, -infinity});
  EXPECT_EQ(infinite.infinities, 1);
  EXPECT_EQ(to_json(infinite, DType::f32)["min"], "-inf");
  const TensorStatistics all = of_values(DType::f32, std::vector<float>{infinity, infinity}),
                         all_negative = of_values(DType::f64, std::vector<double>{-infinity, nan});
  EXPECT_EQ(to_json(all, DType::f32)["min"], "inf");
  EXPECT_EQ(to_json(all_negative, DType::f64)["max"], "-inf");
  const TensorStatistics none = of_values(DType::f32, std::vector<float>{nan, nan});
  EXPECT_EQ(to_json(none, DType::f32)["mean"], "nan");
  EXPECT_EQ(none.nans, 2);
}

TEST_F(Statistics, AreTheSameHoweverTheTensorIsCut) {
  std::vector<float> values(1100000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1000);
  values[900000] = -5;
  const MadeTensor tensor = made_of("model/w", DType::f32, {1100, 1000}, values);
  const TensorStatistics one = of(make({tensor}, 1)).at(0).at(0);
  EXPECT_EQ(one.min, -5);
  EXPECT_EQ(one.max, 999);
  EXPECT_NEAR(one.mean, 499.5, 1e-3);
  for (const int world_size : {2, 3, 4}) {
    const TensorStatistics cut = of(make({tensor}, world_size)).at(0).at(0);
    EXPECT_EQ(to_json(cut, DType::f32), to_json(one, DType::f32)) << world_size;
  }
}

TEST_F(Statistics, OfWhatEachRankHasForItselfStandRankByRank) {
  const auto found = of(make({made_of("rng/cpu", DType::u8, {2}, std::vector<std::uint8_t>{4, 6}, TensorKind::per_rank)}, 3)).at(0);
  ASSERT_EQ(found.size(), 3u);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(found[static_cast<std::size_t>(rank)].rank, rank);
    EXPECT_EQ(found[static_cast<std::size_t>(rank)].mean, 5 + rank);
  }
}

TEST_F(Statistics, ATensorWithoutElementsHasNone) {
  const TensorStatistics found = of(make({made("model/empty", DType::f32, {0})}, 2)).at(0).at(0);
  EXPECT_EQ(found.elements, 0);
  EXPECT_TRUE(std::isnan(found.mean));
}

TEST_F(Statistics, OfDamagedBytesAreRefused) {
  const Path checkpoint = make({made("w", DType::u8, {16})}, 1);
  flip_bit(checkpoint / shard_name(0, 1), read_manifest(*files_, checkpoint).shards[0].pieces[0].file_offset);
  EXPECT_THAT([&] { of(checkpoint); }, ThrowsMessage<CorruptCheckpoint>(HasSubstr("dataset w, block 0")));
}

}  // namespace
}  // namespace holdfast
