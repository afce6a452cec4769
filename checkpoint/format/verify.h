// Whether a stored checkpoint is what was written, without MPI or LibTorch.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/scan.h"

namespace holdfast {

/// Reads everything, transformed copies included, and checks it. Empty: sound. Also reports missing, extra and foreign files, and what is
/// not in its own place (copies.h).
std::vector<Finding> verify_checkpoint(FileSystem& files, const Path& checkpoint, const ReadProgress& progress = {});

/// One digest over names, shapes and bytes of the tensors whose name starts with `prefix` ("model/"), from the stored
/// digests alone; equal for the same values at every world size.
Digest state_hash(const Manifest& manifest, const std::string& prefix = "");

}  // namespace holdfast
