#include "trainer/devices/device_loader.h"

#include <torch/types.h>

#include <utility>

namespace holdfast {
namespace {

class DeviceLoader final : public BatchLoader {
 public:
  DeviceLoader(std::unique_ptr<BatchLoader> loader, at::Device place) : loader_(std::move(loader)), place_(place) {}
  std::int64_t epoch_samples() const override { return loader_->epoch_samples(); }
  void seek(std::int64_t samples_seen) override { loader_->seek(samples_seen); }
  std::int64_t next_global_samples() const override { return loader_->next_global_samples(); }
  Batch next() override {
    Batch batch = loader_->next();
    for (at::Tensor& field : batch.fields) field = field.to(place_);
    return batch;
  }

 private:
  std::unique_ptr<BatchLoader> loader_;
  at::Device place_;
};

}  // namespace

std::unique_ptr<BatchLoader> on_device(std::unique_ptr<BatchLoader> loader, at::Device place) {
  if (!loader || place.is_cpu()) return loader;
  return std::make_unique<DeviceLoader>(std::move(loader), place);
}

}  // namespace holdfast
