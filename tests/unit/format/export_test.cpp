// Exports, read back byte by byte as their formats are documented; tests/unit/format/export_test.py reads them with NumPy and h5py.
#include "checkpoint/format/export.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "stored_checkpoint.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

class Export : public testing::Test {
 protected:
  Path make(std::vector<MadeTensor> tensors) {
    tensors_ = std::move(tensors);
    return make_checkpoint(*files_, directory_.path() / "checkpoints", tensors_);
  }
  const MadeTensor& made_tensor(const std::string& name) const {
    for (const MadeTensor& tensor : tensors_)
      if (tensor.info.name == name) return tensor;
    throw std::out_of_range(name);
  }
  /// Of a file of the export.
  std::string text(const Path& path) { return read_text(*files_, path); }
  static std::string text_of(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  std::vector<std::string> left() { return files_->list(directory_.path()); }

  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  Path output_ = directory_.path() / "export";
  std::vector<MadeTensor> tensors_;
};

std::vector<MadeTensor> one_of_each() {
  std::vector<MadeTensor> tensors;
  for (const DType dtype : {DType::u8, DType::i8, DType::i16, DType::i32, DType::i64, DType::f16, DType::bf16, DType::f32, DType::f64})
    tensors.push_back(made("model/" + std::string(name_of(dtype)), dtype, {3, 5}));
  tensors.push_back(made_of<std::uint8_t>("model/bool", DType::boolean, {4}, {1, 0, 0, 1}));
  tensors.push_back(made("model/scalar", DType::i64, {}));
  tensors.push_back(made("model/none", DType::f32, {0, 7}));
  tensors.push_back(made("model/large", DType::f32, {700, 1000}));  // in blocks of both ranks
  tensors.push_back(made("optimizers/main/large/momentum", DType::f32, {700, 1000}));
  tensors.push_back(made("rng/cpu", DType::u8, {64}, TensorKind::per_rank));
  return tensors;
}

TEST_F(Export, SafetensorsHoldsEveryDtypeUnderTheModelsOwnNames) {
  const ExportResult result = export_checkpoint(*files_, make(one_of_each()), output_, ExportFormat::safetensors, ExportScope::model);
  EXPECT_EQ(result.tensors, 13u);
  const std::string file = text(output_);
  std::uint64_t length = 0;
  std::copy_n(file.data(), 8, reinterpret_cast<char*>(&length));
  EXPECT_EQ(length % 8, 0u);
  const json header = json::parse(file.substr(8, length));
  EXPECT_EQ(header["__metadata__"]["format"], "pt");
  EXPECT_EQ(header["__metadata__"]["global_step"], "10");
  const std::string data = file.substr(8 + length);
  std::uint64_t covered = 0;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const MadeTensor& tensor = made_tensor("model/" + name);
    const std::uint64_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    EXPECT_EQ(entry["shape"], json(tensor.info.shape)) << name;
    EXPECT_EQ(begin % size_of(tensor.info.dtype), 0u) << name;
    EXPECT_EQ(data.substr(begin, end - begin), text_of(tensor.bytes)) << name;
    covered += end - begin;
  }
  EXPECT_EQ(covered, data.size()) << "no gap, no overlap";
  EXPECT_EQ(result.bytes, data.size());
  EXPECT_EQ(header["bfloat16"]["dtype"], "BF16");
  EXPECT_EQ(header["bool"]["dtype"], "BOOL");
  EXPECT_EQ(header["float16"]["dtype"], "F16");
}

TEST_F(Export, NumpyMakesOneFileForEachTensor) {
  const ExportResult result = export_checkpoint(*files_, make(one_of_each()), output_, ExportFormat::numpy, ExportScope::everything);
  EXPECT_EQ(result.tensors, 16u) << "the generator of each rank too";
  EXPECT_THAT(files_->list(output_), ElementsAre("model", "optimizers", "rank-0", "rank-1"));
  const auto expect_file = [&](const Path& name, const std::string& header, const std::vector<std::byte>& bytes) {
    const std::string file = text(output_ / name);
    const std::size_t length = 10 + static_cast<unsigned char>(file[8]) + 256 * static_cast<unsigned char>(file[9]);
    EXPECT_EQ(file.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
    EXPECT_EQ(length % 64, 0u) << name;
    EXPECT_EQ(file[length - 1], '\n');
    EXPECT_EQ(file.substr(10, header.size()), header) << name;
    EXPECT_EQ(file.substr(length), text_of(bytes)) << name;
  };
  expect_file("model/float32.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }", made_tensor("model/float32").bytes);
  expect_file("model/bfloat16.npy", "{'descr': '<u2', 'fortran_order': False, 'shape': (3, 5), }", made_tensor("model/bfloat16").bytes);
  expect_file("model/bool.npy", "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }", made_tensor("model/bool").bytes);
  expect_file("model/scalar.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (), }", made_tensor("model/scalar").bytes);
  expect_file("model/none.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 7), }", {});
  expect_file("model/large.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (700, 1000), }", made_tensor("model/large").bytes);
  std::vector<std::byte> of_rank_1 = made_tensor("rng/cpu").bytes;
  for (std::byte& byte : of_rank_1) byte = static_cast<std::byte>(static_cast<int>(byte) + 1);
  expect_file("rank-1/rng/cpu.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (64,), }", of_rank_1);
}

TEST_F(Export, ADamagedBlockIsNamedAndNothingIsLeft) {
  const Path checkpoint = make(one_of_each());
  const Manifest manifest = read_manifest(*files_, checkpoint);
  const PieceRecord& piece = *std::find_if(manifest.shards[1].pieces.begin(), manifest.shards[1].pieces.end(),
                                           [](const PieceRecord& one) { return one.tensor == "model/large"; });
  std::fstream shard(checkpoint / manifest.shards[1].file, std::ios::in | std::ios::out | std::ios::binary);
  shard.seekp(static_cast<std::streamoff>(piece.file_offset + 5));
  shard.put('\x55');
  shard.close();
  for (const ExportFormat format : {ExportFormat::safetensors, ExportFormat::hdf5, ExportFormat::numpy})
    EXPECT_THAT(
        [&] { export_checkpoint(*files_, checkpoint, output_, format, ExportScope::model); },
        ThrowsMessage<CorruptCheckpoint>(AllOf(HasSubstr("shard-00001-of-00002.h5"), HasSubstr("model/large"), HasSubstr("block 0"))));
  EXPECT_THAT(left(), ElementsAre("checkpoints"));
}

TEST_F(Export, WhatIsThereIsNotTouchedAndALeftoverIsReplaced) {
  const Path checkpoint = make({made("model/w", DType::f32, {10})});
  write_text_durably(*files_, output_, "mine");
  write_text_durably(*files_, directory_.path() / "free.pending", "of an export that was killed");
  EXPECT_THAT([&] { export_checkpoint(*files_, checkpoint, output_, ExportFormat::hdf5, ExportScope::model); },
              ThrowsMessage<StorageError>(AllOf(HasSubstr(output_.string()), HasSubstr("a name that is free"))));
  EXPECT_EQ(text(output_), "mine");
  export_checkpoint(*files_, checkpoint, directory_.path() / "free", ExportFormat::hdf5, ExportScope::model);
  EXPECT_THAT(left(), ElementsAre("checkpoints", "export", "free"));
}

TEST_F(Export, ANameThatLeadsOutOfTheDirectoryIsRefused) {
  const Path checkpoint = make({made("model/../../outside", DType::f32, {10})});
  EXPECT_THAT([&] { export_checkpoint(*files_, checkpoint, output_, ExportFormat::numpy, ExportScope::model); },
              ThrowsMessage<CorruptCheckpoint>(AllOf(HasSubstr("../../outside"), HasSubstr("stay inside"))));
  EXPECT_THAT(left(), ElementsAre("checkpoints"));
  EXPECT_NO_THROW(export_checkpoint(*files_, checkpoint, output_, ExportFormat::safetensors, ExportScope::model));
}

}  // namespace
}  // namespace holdfast
