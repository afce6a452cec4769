// The gradients of one optimizer's parameters and the messages in which they are summed over the ranks: a large gradient is
// reduced where autograd has left it, small ones are packed into flat buckets. A message may start while the backward pass still computes
// others. Training thread, and whatever thread autograd runs hooks on while that one is in a backward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/engine/snapshot.h"
#include "dist/communicator.h"
#include "options/run_options.h"

namespace holdfast {

struct NamedParameter {
  std::string name;
  at::Tensor tensor;
};

class GradientBuckets {
 public:
  /// Buckets of about `bucket_bytes`, filled in reverse order of registration (about the order in which a backward pass
  /// completes them) until set_order; a parameter of 256 KiB or more has one of its own. float32 parameters.
  GradientBuckets(std::vector<NamedParameter> parameters, std::size_t bucket_bytes);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// What gradients are rounded to on their way to other ranks; the sums come back as float32.
  void send_as(NumberFormat format) { sent_as_ = format; }
  /// Drops all gradients: the next backward pass gives each parameter a new one. Forgets which parameters were used.
  void zero();
  /// Before every backward pass. Autograd may have given two parameters views of one tensor, and adds to them in place: each
  /// gradient gets memory of its own. Drops the zeros that a restore has put where there was no gradient.
  void prepare_backward();
  /// The next backward pass, up to all_reduce, is the last of an update: each bucket is started when it is complete and those before it
  /// are, in the same order on every rank. Every rank must come to all_reduce, whatever its backward pass does.
  void reduce_during_backward(Communicator& ranks);
  /// Multiplies what backward passes have added since zero().
  void multiply(double factor);
  /// Collective: sums all gradients over the ranks, zeros where a rank has none. On return every parameter has a `.grad`, laid
  /// out as itself, and every rank the same bits. `contributes` false (this rank's backward failed): with zeros, but for what has been
  /// started. Returns the lowest rank that this one knows to have added a value that is not finite, -1 for none; ranks know different
  /// ones, and a rank that is alone looks at none. The first time it is called, the order of the buckets becomes that in which rank 0's
  /// gradients were ready.
  int all_reduce(Communicator& ranks, bool contributes);
  /// The sum of the squares of part `part` of `parts` of the reduced gradients, which are cut evenly; not finite if an element of it is
  /// not.
  double squares(int part, int parts) const;
  /// The 2-norm of all gradients together; not finite if any of them is not.
  double norm() const;
  /// Whether all gradients of this rank are finite, by their sums: two thirds of the time of norm(), which is infinite wherever a sum is.
  bool are_finite() const;
  /// For the injected fault `nan`: the next gradient that a backward pass completes is spoiled.
  void spoil_next(bool does_spoil) { does_spoil_ = does_spoil; }

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
  /// Element count of each bucket, and the parameters in the order in which they fill them, empty before the first reduction or
  /// keep_order(): parts of what the bits of a run depend on.
  std::vector<std::int64_t> layout() const;
  const std::vector<std::int64_t>& order() const { return order_; }
  /// For a run that goes on. Throws std::invalid_argument: not a permutation of the parameters' indices.
  void set_order(std::vector<std::int64_t> order);
  /// Manual optimization, where no bucket starts before all are complete: the order in force stays.
  void keep_order();

 private:
  class Hook;
  struct Bucket {
    std::vector<std::size_t> members;
    std::int64_t elements = 0;
    at::Tensor flat;                // float32 [elements]; undefined for a single member, which is reduced in place
    std::vector<at::Tensor> views;  // of `flat`, by member
    std::size_t missing = 0;        // members whose gradient the backward pass has not completed yet
    at::Tensor message;             // while it is reduced: [elements], in memory that is `.grad` of its members
    at::Tensor rounded;             // what is sent in its place; undefined for float32
    Communicator::Ticket ticket = 0;
    bool is_started = false;
  };
  void fill_buckets(const std::vector<std::size_t>& order);
  void add_bucket(Bucket bucket);
  void make_flat(Bucket& bucket, Communicator& ranks);
  /// The gradients of `bucket` as one dense tensor, which `.grad` of its members shares. `owners`: how many may know of the storage of a
  /// gradient that is nobody else's.
  at::Tensor packed(Bucket& bucket, Communicator& ranks, long owners);
  void start(Bucket& bucket, Communicator& ranks, long owners);
  void take_ready(std::size_t parameter);
  void agree_on_order(Communicator& ranks);

  std::vector<NamedParameter> parameters_;
  NumberFormat sent_as_ = NumberFormat::float32;
  at::Tensor used_;     // uint8 [parameters]: reached by this rank's backward; after all_reduce by any rank's
  at::Tensor pending_;  // float64 [2]: loss sum and count since zero()
  std::size_t bucket_bytes_;
  std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_;  // by parameter
  std::vector<at::Tensor> reduced_;     // messages since zero()
  std::vector<std::int64_t> order_, ready_;
  Communicator* during_backward_ = nullptr;
  std::size_t next_ = 0;  // the first bucket that is not started
  int nonfinite_rank_ = -1;
  std::vector<at::Tensor> own_sums_;  // of what this rank gives to the sums, on a device; a number each
  bool does_spoil_ = false;
};

}  // namespace holdfast
