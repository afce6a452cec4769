#include "trainer/gradient_buckets.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/torch.h>

#include <cmath>

#include "base/error.h"
#include "trainer/state_entry.h"

namespace holdfast {
namespace {

/// Notes that autograd has written a parameter's gradient.
class MarkUsed final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit MarkUsed(std::uint8_t* flag) : flag_(flag) {}
  void operator()(const torch::autograd::Variable&) override { *flag_ = 1; }

 private:
  std::uint8_t* flag_;
};

}  // namespace

GradientBuckets::GradientBuckets(std::vector<NamedParameter> parameters, std::size_t bucket_bytes)
    : parameters_(std::move(parameters)), views_(parameters_.size()) {
  used_ = at::zeros({static_cast<std::int64_t>(parameters_.size())}, at::kByte);
  pending_ = at::zeros({2}, at::kDouble);
  Bucket bucket;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters_[i].tensor;
    if (parameter.scalar_type() != at::kFloat || !parameter.is_non_overlapping_and_dense())
      throw ConfigError(ErrorText{.attempted = "train the parameter " + parameters_[i].name,
                                  .expected = "a dense float32 tensor",
                                  .found = std::string(parameter.dtype().name())});
    bucket.members.push_back(i);
    bucket.elements += parameter.numel();
    if (static_cast<std::size_t>(bucket.elements) * sizeof(float) >= bucket_bytes) {
      fill_bucket(bucket);
      bucket = {};
    }
  }
  if (!bucket.members.empty()) fill_bucket(bucket);
}

GradientBuckets::~GradientBuckets() {
  for (const NamedParameter& parameter : parameters_) torch::autograd::impl::set_post_acc_grad_hooks(parameter.tensor, nullptr);
}

void GradientBuckets::fill_bucket(Bucket& bucket) {
  bucket.flat = at::zeros({bucket.elements + static_cast<std::int64_t>(bucket.members.size())}, at::kFloat);
  std::int64_t at = 0;
  for (const std::size_t i : bucket.members) {
    at::Tensor parameter = parameters_[i].tensor;
    // The parameter's own strides, so that a channels-last gradient accumulates without a transposing copy.
    views_[i] = bucket.flat.narrow(0, at, parameter.numel()).as_strided(parameter.sizes(), parameter.strides());
    at += parameter.numel();
    parameter.mutable_grad() = views_[i];
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::make_unique<MarkUsed>(used_.data_ptr<std::uint8_t>() + i));
  }
  buckets_.push_back(std::move(bucket));
}

void GradientBuckets::zero() {
  const torch::NoGradGuard no_grad;
  for (Bucket& bucket : buckets_) bucket.flat.zero_();
  used_.zero_();
  pending_.zero_();
}

void GradientBuckets::reseat() {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor parameter = parameters_[i].tensor;
    const at::Tensor& gradient = parameter.grad();
    if (gradient.defined() && gradient.is_same(views_[i])) continue;
    if (gradient.defined())
      views_[i].copy_(gradient.detach());
    else
      views_[i].zero_();
    parameter.mutable_grad() = views_[i];
  }
}

void GradientBuckets::all_reduce(Communicator& ranks, bool is_valid) {
  const torch::NoGradGuard no_grad;
  std::uint8_t* used = used_.data_ptr<std::uint8_t>();
  std::vector<Communicator::Ticket> tickets;
  for (Bucket& bucket : buckets_) {
    float* flags = bucket.flat.data_ptr<float>() + bucket.elements;
    if (is_valid)
      for (std::size_t i = 0; i < bucket.members.size(); ++i) flags[i] = used[bucket.members[i]];
    else
      bucket.flat.zero_();
    const auto bytes = static_cast<std::size_t>(bucket.flat.numel()) * sizeof(float);
    tickets.push_back(
        ranks.start_all_reduce({reinterpret_cast<std::byte*>(bucket.flat.data_ptr()), bytes}, ReduceType::f32, ReduceOp::sum));
  }
  for (const Communicator::Ticket ticket : tickets) ranks.finish(ticket);
  for (const Bucket& bucket : buckets_) {
    const float* flags = bucket.flat.data_ptr<float>() + bucket.elements;
    for (std::size_t i = 0; i < bucket.members.size(); ++i) used[bucket.members[i]] = flags[i] > 0;
  }
}

double GradientBuckets::norm() const {
  const torch::NoGradGuard no_grad;
  double squares = 0;
  for (const Bucket& bucket : buckets_) {
    const double norm = at::linalg_vector_norm(bucket.flat.narrow(0, 0, bucket.elements)).item<float>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

bool GradientBuckets::is_used(std::size_t parameter) const { return used_.data_ptr<std::uint8_t>()[parameter] != 0; }

void GradientBuckets::add_loss(double sum, std::int64_t count) {
  pending_.data_ptr<double>()[0] += sum;
  pending_.data_ptr<double>()[1] += static_cast<double>(count);
}

double GradientBuckets::loss_sum() const { return pending_.data_ptr<double>()[0]; }

std::int64_t GradientBuckets::count() const { return static_cast<std::int64_t>(pending_.data_ptr<double>()[1]); }

std::vector<StateEntry> GradientBuckets::state(const std::string& name) const {
  const std::string prefix = kGradientPrefix + name + "/";
  std::vector<StateEntry> entries = {entry_of(prefix + "used", used_, TensorKind::per_rank, false),
                                     entry_of(prefix + "pending", pending_, TensorKind::per_rank, false)};
  for (std::size_t i = 0; i < buckets_.size(); ++i)
    entries.push_back(entry_of(prefix + "bucket" + std::to_string(i), buckets_[i].flat, TensorKind::per_rank, false));
  return entries;
}

std::vector<std::int64_t> GradientBuckets::layout() const {
  std::vector<std::int64_t> elements;
  for (const Bucket& bucket : buckets_) elements.push_back(bucket.elements);
  return elements;
}

}  // namespace holdfast
