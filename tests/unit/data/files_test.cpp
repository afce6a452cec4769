// Data files: what is read, and what a damaged or missing one says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "data/idx.h"
#include "data/text.h"
#include "data/unpacked.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DataFiles : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / ("holdfast-data-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    ::setenv("HOLDFAST_DATA_CACHE", (directory_ / "cache").c_str(), 1);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    return directory_ / name;
  }
  static std::string big_endian(std::initializer_list<int> numbers) {
    std::string bytes;
    for (const int number : numbers)
      for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(number >> shift));
    return bytes;
  }
  static std::string images(int n) { return big_endian({0x0803, n, 2, 2}).append(static_cast<std::size_t>(n) * 4, '\x80'); }
  static std::string labels(int n) { return big_endian({0x0801, n}).append(static_cast<std::size_t>(n), '\x03'); }

  template <class F>
  static std::string message(const F& f) {
    try {
      f();
    } catch (const DataError& error) {
      return error.what();
    }
    return "accepted";
  }
  Path directory_;
};

TEST_F(DataFiles, IdxImagesAreNormalised) {
  const auto source = open_idx(write("i", images(5)), write("l", labels(5)), {.mean = 0.5, .standard_deviation = 0.5});
  EXPECT_EQ(source->size(), 5);
  const std::vector<std::int64_t> indices = {4, 0};
  const Batch batch = source->load(indices, 0, 0);
  EXPECT_EQ(batch.fields[0].sizes().vec(), (std::vector<std::int64_t>{2, 1, 2, 2}));
  EXPECT_NEAR(batch.fields[0][1][0][1][1].item<double>(), (128.0 / 255.0 - 0.5) / 0.5, 1e-6);
  EXPECT_EQ(batch.fields[1][0].item<std::int64_t>(), 3);
}

TEST_F(DataFiles, ImagesAndLabelsExchangedAreRefused) {
  EXPECT_THAT(message([&] { open_idx(write("l", labels(5)), write("i", images(5)), {}); }),
              AllOf(HasSubstr("magic 0x00000803"), HasSubstr("0x00000801"), HasSubstr("exchanged")));
}

TEST_F(DataFiles, AShortIdxFileIsRefused) {
  EXPECT_THAT(message([&] { open_idx(write("i", images(5).substr(0, 30)), write("l", labels(5)), {}); }),
              AllOf(HasSubstr("36 bytes for 5 items"), HasSubstr("30 bytes")));
}

TEST_F(DataFiles, AnotherNumberOfLabelsIsRefused) {
  EXPECT_THAT(message([&] { open_idx(write("i", images(5)), write("l", labels(4)), {}); }),
              AllOf(HasSubstr("each of 5 images"), HasSubstr("4 labels")));
}

TEST_F(DataFiles, AMissingFileIsNamed) {
  EXPECT_THAT(message([&] { open_idx(directory_ / "absent", write("l", labels(4)), {}); }),
              AllOf(HasSubstr("absent"), HasSubstr("No such file")));
}

TEST_F(DataFiles, AGzippedFileIsUnpackedOnce) {
  const Path path = directory_ / "text.gz";
  const gzFile out = ::gzopen(path.c_str(), "wb");
  ::gzwrite(out, "hello hello hello", 17);
  ::gzclose(out);
  const Path first = unpacked(path);
  EXPECT_EQ(std::filesystem::file_size(first), 17u);
  const auto time = std::filesystem::last_write_time(first);
  EXPECT_EQ(unpacked(path), first);
  EXPECT_EQ(std::filesystem::last_write_time(first), time);
}

TEST_F(DataFiles, AGzippedFileThatIsCutShortIsRefused) {
  const Path path = directory_ / "text.gz";
  const gzFile out = ::gzopen(path.c_str(), "wb");
  for (int i = 0; i < 10000; ++i) ::gzprintf(out, "%d ", i * 7919);
  ::gzclose(out);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THAT(message([&] { unpacked(path); }), HasSubstr("cut short"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "cache")) << "what was unpacked so far is removed";
}

TEST_F(DataFiles, AFileThatIsNotCompressedIsNotTakenForAGzippedOne) {
  EXPECT_THAT(message([&] { unpacked(write("text.gz", "plain text")); }), AllOf(HasSubstr("text.gz"), HasSubstr("it is no gzip file")));
  EXPECT_THAT(message([&] { unpacked(write("empty.gz", "")); }), HasSubstr("it is no gzip file"));
}

TEST_F(DataFiles, ACacheThatCannotBeWrittenIsNamed) {
  write("cache", "a file where the directory should be");
  const Path path = directory_ / "text.gz";
  const gzFile out = ::gzopen(path.c_str(), "wb");
  ::gzwrite(out, "hello", 5);
  ::gzclose(out);
  EXPECT_THAT(message([&] { unpacked(path); }),
              AllOf(HasSubstr((directory_ / "cache" / "text").string()), HasSubstr("HOLDFAST_DATA_CACHE")));
}

TEST_F(DataFiles, TextIsTiledIntoSequencesThatPredictEachByteOnce) {
  std::string text;
  for (int i = 0; i < 101; ++i) text += static_cast<char>(i);
  const DataSources sources = open_text(write("t", text), {.context = 10, .validation_fraction = 0.2});
  EXPECT_EQ(sources.training->size(), 8);
  EXPECT_EQ(sources.validation->size(), 2);
  const std::vector<std::int64_t> last = {1};
  const Batch batch = sources.validation->load(last, 0, 0);
  EXPECT_EQ(batch.fields[0].sizes().vec(), (std::vector<std::int64_t>{1, 11}));
  EXPECT_EQ(batch.fields[0][0][10].item<std::int64_t>(), 100);
}

TEST_F(DataFiles, ATextThatIsTooShortIsRefused) {
  EXPECT_THAT(message([&] { open_text(write("t", "abc"), {.context = 10}); }), HasSubstr("more than 11 bytes"));
}

}  // namespace
}  // namespace holdfast
