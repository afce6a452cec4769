// The gradients of one optimizer's parameters, laid out in flat buckets: each `.grad` is a view of a bucket, so that a
// backward pass accumulates in place and a bucket is all-reduced as one message. Training thread only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/engine/snapshot.h"
#include "dist/communicator.h"

namespace holdfast {

struct NamedParameter {
  std::string name;
  at::Tensor tensor;
};

class GradientBuckets {
 public:
  /// Buckets of about `bucket_bytes`, filled in reverse order of registration (about the order in which a backward pass
  /// completes them). float32 parameters.
  GradientBuckets(std::vector<NamedParameter> parameters, std::size_t bucket_bytes);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// Zeroes in place; forgets which parameters were used.
  void zero();
  /// Takes back what user code or `create_graph` put in the place of a view: its values move into the bucket.
  void reseat();
  /// Collective: sums all buckets over the ranks. On return every rank has the same bits. `is_valid` false (this rank's
  /// backward failed): contributes zeros.
  void all_reduce(Communicator& ranks, bool is_valid);
  /// The 2-norm of all gradients together, as they are in the buckets; not finite if any of them is not.
  double norm() const;

  /// Manual optimization: what the backward passes since zero() have added on this rank.
  void add_loss(double sum, std::int64_t count);
  double loss_sum() const;
  std::int64_t count() const;
  /// A partial accumulation as per-rank tensors "gradients/NAME/...", so that it survives a restart.
  std::vector<StateEntry> state(const std::string& name) const;

  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  at::Tensor gradient(std::size_t parameter) const { return views_[parameter]; }
  /// True when any rank's backward passes since zero() reached the parameter (valid after all_reduce).
  bool is_used(std::size_t parameter) const;
  /// Element count of each bucket: part of what the bits of a run depend on.
  std::vector<std::int64_t> layout() const;

 private:
  struct Bucket {
    at::Tensor flat;  // float32 [elements + parameters]: gradients, then one flag per parameter
    std::int64_t elements = 0;
    std::vector<std::size_t> members;
  };
  void fill_bucket(Bucket& bucket);

  std::vector<NamedParameter> parameters_;
  std::vector<at::Tensor> views_;
  at::Tensor used_;     // uint8 [parameters]: reached by this rank's backward; after all_reduce by any rank's
  at::Tensor pending_;  // float64 [2]: loss sum and count since zero()
  std::vector<Bucket> buckets_;
};

}  // namespace holdfast
