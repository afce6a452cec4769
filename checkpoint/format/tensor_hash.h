// One hash over a set of tensors, equal for the same values at every world size, from live memory or from stored digests.
#pragma once

#include <vector>

#include "base/digest.h"
#include "checkpoint/format/tensor.h"

namespace holdfast {

/// A whole tensor and the digests of its blocks.
struct TensorDigests {
  TensorInfo info;
  std::vector<Digest> blocks;
};

/// XXH3-128 of one line a tensor, sorted by name: "NAME DTYPE [SHAPE] ROOT\n", ROOT the digest of the block digests.
Digest hash_of(std::vector<TensorDigests> tensors);

}  // namespace holdfast
