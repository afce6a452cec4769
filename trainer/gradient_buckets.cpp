#include "trainer/gradient_buckets.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <utility>

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

/// Where a message of its own costs less than packing and unpacking.
constexpr std::size_t kInPlaceBytes = 256 * 1024;

std::size_t bytes_of(const at::Tensor& tensor) { return static_cast<std::size_t>(tensor.numel()) * sizeof(float); }

/// Nobody else sees its memory, and its elements lie as the parameter's do.
bool is_own(const at::Tensor& gradient, const at::Tensor& parameter) {
  return gradient.layout() == at::kStrided && !gradient.requires_grad() && gradient.storage().use_count() == 1 &&
         gradient.strides() == parameter.strides();
}

at::Tensor dense(const at::Tensor& gradient) { return gradient.is_sparse() ? gradient.to_dense() : gradient; }

at::Tensor values_of(const at::Tensor& gradient) { return gradient.is_sparse() ? gradient.coalesce().values() : gradient; }

/// The gradient that `parameter` has when it is copied: zeros for none. Copying into it makes one.
StateEntry gradient_entry(std::string name, const at::Tensor& parameter) {
  const auto entry_for = [](const at::Tensor& gradient) { return entry_of("", gradient, TensorKind::per_rank, false); };
  StateEntry entry = entry_of(std::move(name), parameter, TensorKind::per_rank, false);
  entry.copy_to = [parameter, entry_for](std::uint64_t offset, std::span<std::byte> into) {
    if (parameter.grad().defined())
      entry_for(dense(parameter.grad())).copy_to(offset, into);
    else
      std::fill(into.begin(), into.end(), std::byte{0});
  };
  entry.copy_from = [parameter, entry_for](std::uint64_t offset, std::span<const std::byte> from) {
    if (!parameter.grad().defined()) parameter.mutable_grad() = at::zeros_like(parameter).detach();
    entry_for(parameter.grad()).copy_from(offset, from);
  };
  return entry;
}

}  // namespace

GradientBuckets::GradientBuckets(std::vector<NamedParameter> parameters, std::size_t bucket_bytes) : parameters_(std::move(parameters)) {
  used_ = at::zeros({static_cast<std::int64_t>(parameters_.size())}, at::kByte);
  pending_ = at::zeros({2}, at::kDouble);
  Bucket small;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters_[i].tensor;
    if (parameter.scalar_type() != at::kFloat || !parameter.is_non_overlapping_and_dense())
      throw ConfigError(ErrorText{.attempted = "train the parameter " + parameters_[i].name,
                                  .expected = "a dense float32 tensor",
                                  .found = std::string(parameter.dtype().name())});
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::make_unique<MarkUsed>(used_.data_ptr<std::uint8_t>() + i));
    if (bytes_of(parameter) >= kInPlaceBytes) {
      add_bucket({.members = {i}, .elements = parameter.numel()});
      continue;
    }
    small.members.push_back(i);
    small.elements += parameter.numel();
    if (static_cast<std::size_t>(small.elements) * sizeof(float) >= bucket_bytes) add_bucket(std::exchange(small, {}));
  }
  if (!small.members.empty()) add_bucket(std::move(small));
}

GradientBuckets::~GradientBuckets() {
  for (const NamedParameter& parameter : parameters_) torch::autograd::impl::set_post_acc_grad_hooks(parameter.tensor, nullptr);
}

void GradientBuckets::add_bucket(Bucket bucket) {
  if (bucket.members.size() > 1) {
    bucket.flat = at::zeros({bucket.elements}, at::kFloat);
    std::int64_t at = 0;
    for (const std::size_t i : bucket.members) {
      const at::Tensor& parameter = parameters_[i].tensor;
      bucket.views.push_back(bucket.flat.narrow(0, at, parameter.numel()).as_strided(parameter.sizes(), parameter.strides()));
      at += parameter.numel();
    }
  }
  buckets_.push_back(std::move(bucket));
}

void GradientBuckets::zero() {
  for (const NamedParameter& parameter : parameters_) parameter.tensor.mutable_grad() = at::Tensor();
  used_.zero_();
  pending_.zero_();
}

void GradientBuckets::prepare_backward() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& gradient = parameters_[i].tensor.mutable_grad();
    if (!gradient.defined()) continue;
    if (!is_used(i))
      gradient = at::Tensor();
    else if (!gradient.is_sparse() && gradient.storage().use_count() > 1)
      gradient = gradient.clone();
  }
}

at::Tensor GradientBuckets::packed(const Bucket& bucket) {
  for (std::size_t k = 0; k < bucket.members.size(); ++k) {
    const at::Tensor& parameter = parameters_[bucket.members[k]].tensor;
    at::Tensor& gradient = parameter.mutable_grad();
    if (!bucket.flat.defined() && gradient.defined() && is_own(gradient, parameter)) continue;
    at::Tensor target = bucket.flat.defined() ? bucket.views[k] : at::empty_like(parameter);
    if (!gradient.defined())
      target.zero_();
    else if (!gradient.is_same(target))
      target.copy_(dense(gradient));
    gradient = target;
  }
  return bucket.flat.defined() ? bucket.flat : parameters_[bucket.members.front()].tensor.grad();
}

void GradientBuckets::all_reduce(Communicator& ranks, bool contributes) {
  const torch::NoGradGuard no_grad;
  if (!contributes) zero();
  std::vector<Communicator::Ticket> tickets;
  const auto start = [&](const at::Tensor& tensor) {
    tickets.push_back(
        ranks.start_all_reduce({static_cast<std::byte*>(tensor.mutable_data_ptr()), bytes_of(tensor)}, ReduceType::f32, ReduceOp::sum));
  };
  for (const Bucket& bucket : buckets_) start(packed(bucket));
  const at::Tensor uses = used_.to(at::kFloat);
  start(uses);
  for (const Communicator::Ticket ticket : tickets) ranks.finish(ticket);
  used_.copy_(uses.gt(0));
}

double GradientBuckets::norm() const {
  const torch::NoGradGuard no_grad;
  double squares = 0;
  for (const NamedParameter& parameter : parameters_) {
    const at::Tensor& gradient = parameter.tensor.grad();
    if (!gradient.defined()) continue;
    const double norm = at::linalg_vector_norm(values_of(gradient)).item<float>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

bool GradientBuckets::are_finite() const {
  const torch::NoGradGuard no_grad;
  return std::all_of(parameters_.begin(), parameters_.end(), [](const NamedParameter& parameter) {
    const at::Tensor& gradient = parameter.tensor.grad();
    return !gradient.defined() || std::isfinite(values_of(gradient).sum().item<float>());
  });
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
  for (const NamedParameter& parameter : parameters_)
    entries.push_back(gradient_entry(prefix + "parameters/" + parameter.name, parameter.tensor));
  return entries;
}

std::vector<std::int64_t> GradientBuckets::layout() const {
  std::vector<std::int64_t> elements;
  for (const Bucket& bucket : buckets_) elements.push_back(bucket.elements);
  return elements;
}

}  // namespace holdfast
