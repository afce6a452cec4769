#include "data/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

namespace holdfast {
namespace {

class RandomSource final : public DataSource {
 public:
  RandomSource(const RandomOptions& options, std::int64_t samples, std::uint64_t seed) : samples_(samples) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    std::vector<std::int64_t> shape = {samples};
    shape.insert(shape.end(), options.shape.begin(), options.shape.end());
    if (options.kind == RandomKind::images) fields_.push_back(at::randn(shape, generator, at::kFloat));
    fields_.push_back(at::randint(options.classes, options.kind == RandomKind::images ? std::vector<std::int64_t>{samples} : shape,
                                  generator, at::kLong));
  }

  std::int64_t size() const override { return samples_; }

  Batch load(std::span<const std::int64_t> indices, std::int64_t, std::uint64_t) const override {
    const auto n = static_cast<std::int64_t>(indices.size());
    const at::Tensor rows = at::from_blob(const_cast<std::int64_t*>(indices.data()), {n}, at::kLong);
    Batch batch{.samples = n};
    for (const at::Tensor& field : fields_) batch.fields.push_back(field.index_select(0, rows));
    return batch;
  }

 private:
  std::int64_t samples_;
  std::vector<at::Tensor> fields_;
};

}  // namespace

void RandomOptions::describe(FieldVisitor& v) {
  v.choice({"kind", "What a sample is."}, kind, {{"images", RandomKind::images}, {"tokens", RandomKind::tokens}});
  v.field({.name = "shape", .doc = "Of an image, or the length of a row of tokens.", .min = 1}, shape);
  v.field({.name = "classes", .doc = "Labels of images, or the vocabulary of tokens.", .min = 1}, classes);
  v.field({.name = "samples", .doc = "Training samples.", .unit = "samples", .min = 1}, samples);
  v.field({.name = "validation_samples", .doc = "Validation samples.", .unit = "samples", .min = 0}, validation_samples);
  v.field({.name = "seed", .doc = "Of the samples.", .min = 0}, seed);
}

DataSources make_random(const RandomOptions& options) {
  const auto seed = static_cast<std::uint64_t>(options.seed);
  DataSources sources{.training = std::make_shared<RandomSource>(options, options.samples, 2 * seed)};
  if (options.validation_samples > 0)
    sources.validation = std::make_shared<RandomSource>(options, options.validation_samples, 2 * seed + 1);
  return sources;
}

}  // namespace holdfast
