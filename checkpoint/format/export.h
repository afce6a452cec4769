// A checkpoint's tensors in files that other tools read: safetensors, one HDF5 file, or NumPy's. Without MPI or LibTorch.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.h"

namespace holdfast {

enum class ExportFormat {
  safetensors,  // one file; https://huggingface.co/docs/safetensors
  hdf5,         // one file, a shard of a single rank
  numpy,        // a directory with NAME.npy for each tensor, version 1.0 of NumPy's format; bfloat16 as its bits, uint16
};

enum class ExportScope {
  model,       // the tensors below "model/", without that prefix: the names of the model's own parameters and buffers
  everything,  // all, under their full names; what each rank has for itself as rank-R/NAME
};

struct ExportResult {
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;  // of the tensors
};

/// "safetensors", "hdf5", "numpy"; nullopt for anything else.
std::optional<ExportFormat> export_format_from(std::string_view name);

/// Writes the new file or directory `output`, which appears whole and durable or not at all. Holds one tensor in memory at a time.
/// `progress` gets bytes done and bytes in all. Throws CorruptCheckpoint where a byte is not the one that was saved, or where a
/// name leads out of the directory (numpy); StorageError, also when `output` exists.
ExportResult export_checkpoint(FileSystem& files, const Path& checkpoint, const Path& output, ExportFormat format, ExportScope scope,
                               const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

}  // namespace holdfast
