// The description of `cuda`.
#include "options/run_options.h"

namespace holdfast {

void CudaOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "tf32",
                 .doc = "Products of float32 matrices, and convolutions, are computed from numbers rounded to TF32 (10 bits of mantissa): "
                        "faster, and other bits.",
                 .synonyms = "allow_tf32 float32_matmul_precision"},
                tf32);
  visitor.field({.name = "reduced_precision_sums",
                 .doc = "Products of bf16 and fp16 matrices may be added up in that precision, instead of in float32.",
                 .synonyms = "allow_bf16_reduced_precision_reduction allow_fp16_reduced_precision_reduction"},
                reduced_precision_sums);
  visitor.field(
      {.name = "collective_seconds",
       .doc = "An operation between GPUs that has begun on the device and is not over after this time is given up: the rank "
              "writes down its newest operations and ends, and the run starts again. What waits in the queue of a busy device has "
              "not begun.",
       .unit = "seconds",
       .min = 0,
       .max = 1e6,
       .min_is_excluded = true,
       .synonyms = "timeout nccl_timeout ddp_timeout"},
      collective_seconds);
  visitor.field({.name = "share_devices",
                 .doc = "Several ranks may use one GPU, where a host has fewer GPUs than ranks. For tests: it is slow.",
                 .synonyms = "oversubscribe"},
                share_devices);
}

}  // namespace holdfast
