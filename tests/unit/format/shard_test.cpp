#include "checkpoint/format/shard.h"

#include <gmock/gmock.h>
#include <hdf5.h>

#include <cmath>
#include <deque>
#include <optional>

#include "base/error.h"
#include "checkpoint/format/hdf5_handle.h"
#include "tests/unit/base/temporary_directory.h"
#include "written_shard.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::byte> counted_bytes(std::size_t size, int start) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((static_cast<std::size_t>(start) + i * 7 + i / 251) & 0xff);
  return bytes;
}

class Shard : public testing::Test {
 protected:
  /// The whole of `tensor` as a piece; the bytes live as long as the test.
  void add(TensorInfo tensor, std::optional<Slice> part = {}) {
    const Slice slice = part.value_or(Slice{0, tensor.elements()});
    bytes_.push_back(counted_bytes(static_cast<std::size_t>(slice.count) * size_of(tensor.dtype), static_cast<int>(bytes_.size())));
    pieces_.push_back({std::move(tensor), slice, bytes_.back()});
  }
  ShardRecord write(const std::string& name = "shard-00000-of-00001.h5") {
    return write_shard(*files_, directory_.path() / name, pieces_, 1, 3);
  }
  /// The dataset's bytes as the HDF5 library reads them, in the stored type.
  std::vector<std::byte> read_by_hdf5(const ShardRecord& record, const std::string& dataset, std::vector<std::int64_t>& shape) {
    const std::lock_guard lock(hdf5_mutex());
    const Hdf5Handle file(H5Fopen((directory_.path() / record.file).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open");
    const Hdf5Handle data(H5Dopen2(file, dataset.c_str(), H5P_DEFAULT), H5Dclose, dataset.c_str());
    const Hdf5Handle type(H5Dget_type(data), H5Tclose, "type"), space(H5Dget_space(data), H5Sclose, "space");
    std::vector<hsize_t> extents(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
    H5Sget_simple_extent_dims(space, extents.data(), nullptr);
    shape.assign(extents.begin(), extents.end());
    std::vector<std::byte> bytes(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)) * H5Tget_size(type));
    check_hdf5(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "read");
    return bytes;
  }
  std::string text_attribute(const ShardRecord& record, const std::string& object, const char* name) {
    const std::lock_guard lock(hdf5_mutex());
    const Hdf5Handle file(H5Fopen((directory_.path() / record.file).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open");
    const Hdf5Handle attribute(H5Aopen_by_name(file, object.c_str(), name, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, name);
    const Hdf5Handle type(H5Aget_type(attribute), H5Tclose, "type");
    // A text that has to end with a zero byte inside its size would lose its last letter to a strict reader.
    EXPECT_EQ(H5Tget_strpad(type), H5T_STR_NULLPAD) << name;
    std::string text(H5Tget_size(type), '\0');
    check_hdf5(H5Aread(attribute, type, text.data()), "read");
    return text;
  }
  std::vector<std::int64_t> number_attribute(const ShardRecord& record, const std::string& object, const char* name) {
    const std::lock_guard lock(hdf5_mutex());
    const Hdf5Handle file(H5Fopen((directory_.path() / record.file).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open");
    const Hdf5Handle attribute(H5Aopen_by_name(file, object.c_str(), name, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, name);
    const Hdf5Handle space(H5Aget_space(attribute), H5Sclose, "space");
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
    check_hdf5(H5Aread(attribute, H5T_NATIVE_INT64, numbers.data()), "read");
    return numbers;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  std::deque<std::vector<std::byte>> bytes_;
  std::vector<PieceBytes> pieces_;
};

TEST_F(Shard, EveryDtypeReadsBackByOurReaderAndByHdf5) {
  const std::vector<DType> dtypes = {DType::u8,   DType::i8,  DType::i16, DType::i32, DType::i64,
                                     DType::bf16, DType::f16, DType::f32, DType::f64, DType::boolean};
  for (const DType dtype : dtypes) add({"model/of_" + std::string(name_of(dtype)), dtype, {3, 5}});
  const ShardRecord record = write();
  const ShardReader reader(*files_, directory_.path(), record);
  ASSERT_EQ(record.pieces.size(), dtypes.size());
  for (std::size_t i = 0; i < dtypes.size(); ++i) {
    std::vector<std::byte> found(bytes_[i].size());
    reader.read(record.pieces[i], 0, found);
    EXPECT_EQ(found, bytes_[i]) << name_of(dtypes[i]);
    std::vector<std::int64_t> shape;
    EXPECT_EQ(read_by_hdf5(record, "/" + pieces_[i].tensor.name, shape), bytes_[i]) << name_of(dtypes[i]);
    EXPECT_THAT(shape, ElementsAre(3, 5));
    EXPECT_EQ(text_attribute(record, "/" + pieces_[i].tensor.name, "dtype"), name_of(dtypes[i]));
  }
}

TEST_F(Shard, Float16IsIeeeHalfPrecision) {
  const std::vector<std::uint16_t> halves = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555};  // 1, -2, 65504, 2^-24, about 1/3
  pieces_.push_back({{"model/half", DType::f16, {5}}, {0, 5}, std::as_bytes(std::span(halves))});
  const ShardRecord record = write();
  const std::lock_guard lock(hdf5_mutex());
  const Hdf5Handle file(H5Fopen((directory_.path() / record.file).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open");
  const Hdf5Handle data(H5Dopen2(file, "/model/half", H5P_DEFAULT), H5Dclose, "half");
  std::vector<double> values(5);
  check_hdf5(H5Dread(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "read");
  EXPECT_THAT(values, ElementsAre(1.0, -2.0, 65504.0, std::ldexp(1.0, -24), testing::DoubleNear(1.0 / 3, 1e-3)));
}

TEST_F(Shard, SaysWhatItIs) {
  add({"model/w", DType::f32, {2}});
  const ShardRecord record = write();
  EXPECT_EQ(text_attribute(record, "/", "format"), "holdfast-shard");
  EXPECT_THAT(number_attribute(record, "/", "format_version"), ElementsAre(kFormatVersion));
  EXPECT_THAT(number_attribute(record, "/", "rank"), ElementsAre(1));
  EXPECT_THAT(number_attribute(record, "/", "world_size"), ElementsAre(3));
}

TEST_F(Shard, AWholeTensorKeepsItsShapeAndAPartTellsWhereItLies) {
  add({"model/whole", DType::f32, {4, 2}});
  add({"model/part", DType::f64, {10, 3}}, Slice{12, 9});
  add({"running_mean", DType::f32, {6}, TensorKind::per_rank});
  const ShardRecord record = write();
  std::vector<std::int64_t> shape;
  read_by_hdf5(record, "/model/whole", shape);
  EXPECT_THAT(shape, ElementsAre(4, 2));
  EXPECT_EQ(read_by_hdf5(record, "/model/part", shape), bytes_[1]);
  EXPECT_THAT(shape, ElementsAre(9));
  EXPECT_THAT(number_attribute(record, "/model/part", "global_shape"), ElementsAre(10, 3));
  EXPECT_THAT(number_attribute(record, "/model/part", "flat_offset"), ElementsAre(12));
  EXPECT_EQ(read_by_hdf5(record, "/rank/running_mean", shape), bytes_[2]);
  EXPECT_EQ(text_attribute(record, "/rank/running_mean", "kind"), "per_rank");
  EXPECT_EQ(text_attribute(record, "/model/part", "kind"), "replicated");
}

TEST_F(Shard, ScalarsAndEmptyTensorsAreDatasetsToo) {
  add({"position/samples", DType::i64, {}});
  add({"model/none", DType::f32, {0, 7}});
  const ShardRecord record = write();
  std::vector<std::int64_t> shape = {-1};
  EXPECT_EQ(read_by_hdf5(record, "/position/samples", shape), bytes_[0]);
  EXPECT_THAT(shape, ElementsAre());
  EXPECT_TRUE(read_by_hdf5(record, "/model/none", shape).empty());
  EXPECT_THAT(shape, ElementsAre(0, 7));
  EXPECT_THAT(record.pieces[1].blocks, ElementsAre());
}

TEST_F(Shard, DigestsAreThoseOfTheMemoryNotOfTheFile) {
  add({"model/w", DType::f32, {64}});
  const ShardImage image(lay_out_shard({{pieces_[0].tensor, pieces_[0].slice}}, 0, 1));
  std::vector<std::vector<Digest>> blocks = {image.digests(0)};
  image.place(0)[7] ^= std::byte{1};  // memory that goes bad before it is written
  write_image(*files_, directory_.path() / "shard-00000-of-00001.h5", image);
  const ShardRecord record = record_of(image.layout(), "shard-00000-of-00001.h5", std::move(blocks));
  const ShardReader reader(*files_, directory_.path(), record);
  std::vector<std::byte> found(bytes_[0].size());
  EXPECT_THROW(reader.read(record.pieces[0], 0, found), CorruptCheckpoint);
}

TEST_F(Shard, AShardWithoutAnyTensorIsAFileToo) {
  const ShardRecord record = write();
  EXPECT_EQ(std::filesystem::file_size(directory_.path() / record.file), record.bytes);
  EXPECT_EQ(text_attribute(record, "/", "format"), "holdfast-shard");
}

TEST_F(Shard, HasOneDigestForEachBlockOfAMebibyte) {
  add({"model/big", DType::u8, {(5 << 19) + 3}});  // two blocks and a half, and three bytes
  const ShardRecord record = write();
  const std::span<const std::byte> bytes(bytes_[0]);
  EXPECT_THAT(record.pieces[0].blocks, ElementsAre(digest_of(bytes.subspan(0, 1 << 20)), digest_of(bytes.subspan(1 << 20, 1 << 20)),
                                                   digest_of(bytes.subspan(2 << 20))));
}

TEST_F(Shard, ThousandsOfTensorsKeepTheirBytesBehindTheHead) {
  for (int i = 0; i < 3000; ++i) add({"optimizers/main/layers." + std::to_string(i) + ".attention.weight/exp_avg", DType::f32, {3}});
  const ShardRecord record = write();
  for (const PieceRecord& piece : record.pieces) ASSERT_GE(piece.file_offset, record.head_bytes) << piece.tensor;
  std::vector<std::int64_t> shape;
  EXPECT_EQ(read_by_hdf5(record, "/optimizers/main/layers.2999.attention.weight/exp_avg", shape), bytes_[2999]);
}

TEST_F(Shard, NoObjectSaysWhenItWasCreated) {
  add({"model/layer/w", DType::f32, {100}});
  add({"rng/cpu", DType::u8, {64}, TensorKind::per_rank});
  const ShardRecord record = write();
  const std::lock_guard lock(hdf5_mutex());
  const Hdf5Handle file(H5Fopen((directory_.path() / record.file).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open");
  std::vector<std::string> untimed;
  const auto visit = [](hid_t, const char* name, const H5O_info_t* info, void* names) {
    if (!info->atime && !info->mtime && !info->ctime && !info->btime) static_cast<std::vector<std::string>*>(names)->push_back(name);
    return herr_t{0};
  };
  check_hdf5(H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, visit, &untimed), "visit every object");
  EXPECT_THAT(untimed, ElementsAre(".", "model", "model/layer", "model/layer/w", "rank", "rank/rng", "rank/rng/cpu"));
}

TEST_F(Shard, TheSameInputGivesTheSameBytes) {
  add({"model/w", DType::f32, {100}});
  add({"model/b", DType::bf16, {3}});
  write("a.h5");
  write("b.h5");
  EXPECT_EQ(read_text(*files_, directory_.path() / "a.h5"), read_text(*files_, directory_.path() / "b.h5"));
}

TEST_F(Shard, IsNeverWrittenOverAFileThatIsThere) {
  add({"model/w", DType::f32, {100}});
  write();
  EXPECT_THAT([&] { write(); }, ThrowsMessage<StorageError>(AllOf(HasSubstr("shard-00000-of-00001.h5"), HasSubstr("File exists"))));
}

TEST_F(Shard, CallsHalfWayOnceBetweenTheFirstAndTheLastByte) {
  for (int i = 0; i < 10; ++i) add({"model/" + std::to_string(i), DType::u8, {3 << 20}});
  int calls = 0;
  const Path path = directory_.path() / "shard-00000-of-00001.h5";
  write_shard(*files_, path, pieces_, 0, 1, [&] {
    ++calls;
    EXPECT_GT(std::filesystem::file_size(path), 0u);
  });
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace holdfast
