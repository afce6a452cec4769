#include "trainer/weights/built_in_transforms.h"

#include <ATen/ATen.h>

namespace holdfast {
namespace {

class Half final : public Transform {
 public:
  explicit Half(HalfType type) : type_(type == HalfType::bf16 ? at::kBFloat16 : at::kHalf) {}
  at::ScalarType dtype(at::ScalarType) const override { return type_; }
  at::Tensor apply(const WeightSlice& slice) const override { return slice.values.to(type_); }

 private:
  at::ScalarType type_;
};

class Scale final : public Transform {
 public:
  explicit Scale(double factor) : factor_(factor) {}
  at::Tensor apply(const WeightSlice& slice) const override { return slice.values.mul(factor_); }

 private:
  double factor_;
};

}  // namespace

void register_built_in_transforms(Registry& registry) {
  registry.add_transform(
      kHalfType, [](const TransformOptions& options, const ComponentContext&) { return std::make_unique<Half>(options.precision); });
  registry.add_transform(kScaleType,
                         [](const TransformOptions& options, const ComponentContext&) { return std::make_unique<Scale>(options.factor); });
}

}  // namespace holdfast
