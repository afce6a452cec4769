// A small sound checkpoint of two ranks in memory: what the targets damage, and what the seeds are made from.
#pragma once

#include "tests/unit/engine/memory_file_system.h"
#include "tests/unit/format/stored_checkpoint.h"

namespace holdfast {

class FuzzedCheckpoint {
 public:
  FuzzedCheckpoint() {
    const std::vector<MadeTensor> tensors = {
        made("model/w", DType::f32, {20, 50}),  made("model/b", DType::bf16, {33}),
        made("model/half", DType::f16, {3, 1}), made("optimizers/main/step", DType::i64, {}),
        made("model/empty", DType::f32, {0}),   made("rng/cpu", DType::u8, {64}, TensorKind::per_rank)};
    path_ = make_checkpoint(files_, "/run/checkpoints", tensors);
  }
  const MemoryFileSystem& files() const { return files_; }
  const Path& path() const { return path_; }

 private:
  MemoryFileSystem files_;
  Path path_;
};

}  // namespace holdfast
