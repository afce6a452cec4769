// The gradients of one optimizer's parameters and the messages in which they are summed over the ranks: a large gradient is
// reduced where autograd has left it, small ones are packed into flat buckets. Training thread only.
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
  /// completes them); a parameter of 256 KiB or more has one of its own. float32 parameters.
  GradientBuckets(std::vector<NamedParameter> parameters, std::size_t bucket_bytes);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// Drops all gradients: the next backward pass gives each parameter a new one. Forgets which parameters were used.
  void zero();
  /// Before every backward pass. Autograd may have given two parameters views of one tensor, and adds to them in place: each
  /// gradient gets memory of its own. Drops the zeros that a restore has put where there was no gradient.
  void prepare_backward();
  /// Collective: sums all gradients over the ranks, zeros where a rank has none. On return every parameter has a `.grad`, laid
  /// out as itself, and every rank the same bits. `contributes` false (this rank's backward failed): with zeros.
  void all_reduce(Communicator& ranks, bool contributes);
  /// The 2-norm of all gradients together; not finite if any of them is not.
  double norm() const;
  /// Whether all gradients are finite, by their sums: two thirds of the time of norm(), which is infinite wherever a sum is.
  bool are_finite() const;

  /// Manual optimization: what the backward passes since zero() have added on this rank.
  void add_loss(double sum, std::int64_t count);
  double loss_sum() const;
  std::int64_t count() const;
  /// A partial accumulation as per-rank tensors "gradients/NAME/...", so that it survives a restart; zeros for no gradient.
  std::vector<StateEntry> state(const std::string& name) const;

  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  const at::Tensor& gradient(std::size_t parameter) const { return parameters_[parameter].tensor.grad(); }
  /// True when any rank's backward passes since zero() reached the parameter (valid after all_reduce).
  bool is_used(std::size_t parameter) const;
  /// Element count of each bucket: part of what the bits of a run depend on.
  std::vector<std::int64_t> layout() const;

 private:
  struct Bucket {
    std::vector<std::size_t> members;
    std::int64_t elements = 0;
    at::Tensor flat;                // float32 [elements]; undefined for a single member, which is reduced in place
    std::vector<at::Tensor> views;  // of `flat`, by member
  };
  void add_bucket(Bucket bucket);
  /// The gradients of `bucket` as one dense tensor, which `.grad` of its members shares.
  at::Tensor packed(const Bucket& bucket);

  std::vector<NamedParameter> parameters_;
  at::Tensor used_;     // uint8 [parameters]: reached by this rank's backward; after all_reduce by any rank's
  at::Tensor pending_;  // float64 [2]: loss sum and count since zero()
  std::vector<Bucket> buckets_;
};

}  // namespace holdfast
