// Random samples of a given shape, made once at start: for benchmarks and tests, where only compute and communication
// matter. A sample is a function of (seed, index) alone.
#pragma once

#include <cstdint>
#include <vector>

#include "options/field.h"
#include "trainer/registry.h"

namespace holdfast {

enum class RandomKind { images, tokens };

/// `data: {name: random, options: ...}`
struct RandomOptions {
  RandomKind kind = RandomKind::images;
  std::vector<std::int64_t> shape = {1, 28, 28};  // of an image; of tokens: {length}
  std::int64_t classes = 10;                      // labels, or the vocabulary
  std::int64_t samples = 512;
  std::int64_t validation_samples = 0;
  std::int64_t seed = 0;
  void describe(FieldVisitor&);
};

/// images: float32 [n, shape...], standard normal, and labels int64 [n]; tokens: int64 [n, length].
DataSources make_random(const RandomOptions& options);

}  // namespace holdfast
