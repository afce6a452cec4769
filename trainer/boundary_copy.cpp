#include "trainer/boundary_copy.h"

namespace holdfast {

void BoundaryCopy::take() {
  taken_ = entries_();
  bytes_.resize(taken_.size());
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    bytes_[i].resize(static_cast<std::size_t>(taken_[i].slice.count) * size_of(taken_[i].info.dtype));
    taken_[i].copy_to(0, bytes_[i]);
  }
}

void BoundaryCopy::put_back() {
  for (std::size_t i = 0; i < taken_.size(); ++i) taken_[i].copy_from(0, bytes_[i]);
}

}  // namespace holdfast
