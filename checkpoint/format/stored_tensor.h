// Whole tensors of a checkpoint, put together from their pieces.
#pragma once

#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/tensor_hash.h"

namespace holdfast {

/// The digests of a replicated or sharded tensor's blocks, in order. Cuts lie on block edges, so that the pieces' lists join.
std::vector<Digest> block_digests_of(const Manifest& manifest, const TensorInfo& tensor);

/// The digest list of a per-rank tensor on `rank`.
std::vector<Digest> block_digests_of_rank(const Manifest& manifest, const TensorInfo& tensor, int rank);

/// All bytes of a tensor in row-major order, checked; of a per-rank tensor those of `rank`. Throws CorruptCheckpoint.
std::vector<std::byte> read_tensor(FileSystem& files, const Path& checkpoint, const Manifest& manifest, const TensorInfo& tensor,
                                   int rank = 0);

}  // namespace holdfast
