#include "data/text.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "base/error.h"
#include "data/mapped_file.h"
#include "data/unpacked.h"

namespace holdfast {
namespace {

class TextSource final : public DataSource {
 public:
  TextSource(std::shared_ptr<const MappedFile> file, std::int64_t first, std::int64_t count, std::int64_t context)
      : file_(std::move(file)), first_(first), count_(count), context_(context) {}

  std::int64_t size() const override { return count_; }

  Batch load(std::span<const std::int64_t> indices, std::int64_t, std::uint64_t) const override {
    const auto n = static_cast<std::int64_t>(indices.size());
    Batch batch{.fields = {at::empty({n, context_ + 1}, at::kLong)}, .samples = n};
    std::int64_t* out = batch.fields[0].data_ptr<std::int64_t>();
    for (const std::int64_t index : indices) {
      const std::byte* text = file_->bytes().data() + (first_ + index) * context_;
      for (std::int64_t i = 0; i <= context_; ++i) *out++ = std::to_integer<std::int64_t>(text[i]);
    }
    return batch;
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::int64_t first_, count_, context_;
};

}  // namespace

void TextOptions::describe(FieldVisitor& v) {
  v.field({"file", "The text; any bytes will do (.gz is unpacked once into a cache)."}, file);
  v.field({.name = "context", .doc = "Bytes of a sequence; at most the context of the task.", .unit = "bytes", .min = 1}, context);
  v.field({.name = "validation_fraction", .doc = "The last part of the file is kept for validation.", .min = 0, .max = 0.9},
          validation_fraction);
}

DataSources open_text(const Path& path, const TextOptions& options) {
  const auto file = std::make_shared<const MappedFile>(unpacked(path));
  const std::int64_t sequences = (static_cast<std::int64_t>(file->bytes().size()) - 1) / options.context;
  const auto held_out = static_cast<std::int64_t>(static_cast<double>(sequences) * options.validation_fraction);
  if (sequences - held_out < 1)
    throw DataError(ErrorText{.attempted = "cut " + path.string() + " into sequences",
                              .expected = fmt::format("more than {} bytes", options.context + 1),
                              .found = fmt::format("{}", file->bytes().size())});
  const std::int64_t training = sequences - held_out;
  DataSources sources{.training = std::make_shared<TextSource>(file, 0, training, options.context)};
  if (held_out > 0) sources.validation = std::make_shared<TextSource>(file, training, held_out, options.context);
  return sources;
}

}  // namespace holdfast
