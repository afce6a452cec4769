#include "data/idx.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "data/mapped_file.h"
#include "data/unpacked.h"

namespace holdfast {
namespace {

std::uint32_t big_endian_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return value;
}

/// An IDX file of unsigned bytes with its dimensions.
class IdxFile {
 public:
  IdxFile(const Path& path, std::uint32_t dimensions) : file_(unpacked(path)) {
    const std::span<const std::byte> bytes = file_.bytes();
    const std::size_t header = 4 + 4 * std::size_t{dimensions};
    const auto refuse = [&](const std::string& expected, const std::string& found) {
      throw DataError(ErrorText{.attempted = "read the IDX file " + path.string(),
                                .expected = expected,
                                .found = found,
                                .next = "check that images and labels are not exchanged, and install the data again"});
    };
    const std::uint32_t magic = bytes.size() < 4 ? 0 : big_endian_at(bytes, 0);
    if (magic != (0x0800 | dimensions)) refuse(fmt::format("magic 0x{:08x}", 0x0800 | dimensions), fmt::format("0x{:08x}", magic));
    if (bytes.size() < header) refuse(fmt::format("at least {} bytes", header), fmt::format("{}", bytes.size()));
    std::size_t expected = header, count = 1;
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      shape_.push_back(big_endian_at(bytes, 4 + 4 * i));
      count *= static_cast<std::size_t>(shape_.back());
    }
    expected += count;
    if (bytes.size() != expected) refuse(fmt::format("{} bytes for {} items", expected, shape_[0]), fmt::format("{} bytes", bytes.size()));
    data_ = bytes.subspan(header);
  }
  std::int64_t size(std::size_t dimension) const { return shape_.at(dimension); }
  const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(data_.data()); }

 private:
  MappedFile file_;
  std::vector<std::int64_t> shape_;
  std::span<const std::byte> data_;
};

class IdxSource final : public DataSource {
 public:
  IdxSource(const Path& images, const Path& labels, const IdxOptions& options)
      : images_(images, 3), labels_(labels, 1), flatten_(options.flatten) {
    if (images_.size(0) != labels_.size(0))
      throw DataError(ErrorText{.attempted = fmt::format("pair {} with {}", images.string(), labels.string()),
                                .expected = fmt::format("a label for each of {} images", images_.size(0)),
                                .found = fmt::format("{} labels", labels_.size(0))});
    for (std::size_t value = 0; value < normalised_.size(); ++value)
      normalised_[value] = static_cast<float>((static_cast<double>(value) / 255.0 - options.mean) / options.standard_deviation);
  }

  std::int64_t size() const override { return images_.size(0); }

  Batch load(std::span<const std::int64_t> indices, std::int64_t, std::uint64_t) const override {
    const auto n = static_cast<std::int64_t>(indices.size());
    const std::int64_t rows = images_.size(1), columns = images_.size(2), pixels = rows * columns;
    Batch batch{
        .fields = {flatten_ ? at::empty({n, pixels}, at::kFloat) : at::empty({n, 1, rows, columns}, at::kFloat), at::empty({n}, at::kLong)},
        .samples = n};
    float* image = batch.fields[0].data_ptr<float>();
    std::int64_t* label = batch.fields[1].data_ptr<std::int64_t>();
    for (const std::int64_t index : indices) {
      const std::uint8_t* source = images_.data() + index * pixels;
      for (std::int64_t i = 0; i < pixels; ++i) *image++ = normalised_[source[i]];
      *label++ = labels_.data()[index];
    }
    return batch;
  }

 private:
  IdxFile images_, labels_;
  bool flatten_;
  std::array<float, 256> normalised_;  // what each byte becomes
};

}  // namespace

void IdxOptions::describe(FieldVisitor& v) {
  v.field({"train_images", "IDX file of the training images (.gz is unpacked once into a cache)."}, train_images);
  v.field({"train_labels", "IDX file of their labels."}, train_labels);
  v.field({"test_images", "IDX file of the validation images; empty: no validation."}, test_images);
  v.field({"test_labels", "IDX file of their labels."}, test_labels);
  v.field({"mean", "Subtracted from every pixel, after scaling to [0, 1]."}, mean);
  v.field({.name = "standard_deviation", .doc = "Every pixel is divided by it.", .min = 0, .min_is_excluded = true}, standard_deviation);
  v.field({"flatten", "One row of pixels an image instead of one channel of rows and columns."}, flatten);
}

std::shared_ptr<const DataSource> open_idx(const Path& images, const Path& labels, const IdxOptions& options) {
  return std::make_shared<IdxSource>(images, labels, options);
}

}  // namespace holdfast
