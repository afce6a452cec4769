#include "trainer/optimization/gradient_buckets.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "trainer/optimization/gradient_memory.h"
#include "trainer/state/state_entry.h"

namespace holdfast {
namespace {

std::size_t bytes_of(const at::Tensor& tensor) { return static_cast<std::size_t>(tensor.numel()) * sizeof(float); }

/// Nobody but `owners` sees its memory, and its elements lie as the parameter's do.
bool is_own(const at::Tensor& gradient, const at::Tensor& parameter, long owners) {
  return gradient.layout() == at::kStrided && !gradient.requires_grad() && static_cast<long>(gradient.storage().use_count()) <= owners &&
         gradient.strides() == parameter.strides();
}

/// Autograd holds the gradient that it has just handed over until the hook returns.
constexpr long kOwnersInHook = 2, kOwners = 1;

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

/// Told when autograd has written a parameter's gradient.
class GradientBuckets::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientBuckets& buckets, std::size_t parameter) : buckets_(buckets), parameter_(parameter) {}
  void operator()(const torch::autograd::Variable&) override { buckets_.take_ready(parameter_); }

 private:
  GradientBuckets& buckets_;
  std::size_t parameter_;
};

GradientBuckets::GradientBuckets(std::vector<NamedParameter> parameters, std::size_t bucket_bytes)
    : parameters_(std::move(parameters)), bucket_bytes_(bucket_bytes), bucket_of_(parameters_.size()) {
  used_ = at::zeros({static_cast<std::int64_t>(parameters_.size())}, at::kByte);
  pending_ = at::zeros({2}, at::kDouble);
  std::vector<std::size_t> reversed;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters_[i].tensor;
    if (parameter.scalar_type() != at::kFloat || !parameter.is_non_overlapping_and_dense())
      throw ConfigError(ErrorText{.attempted = "train the parameter " + parameters_[i].name,
                                  .expected = "a dense float32 tensor",
                                  .found = std::string(parameter.dtype().name())});
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::make_unique<Hook>(*this, i));
    reversed.push_back(i);
  }
  fill_buckets(reversed);
}

GradientBuckets::~GradientBuckets() {
  for (const NamedParameter& parameter : parameters_) torch::autograd::impl::set_post_acc_grad_hooks(parameter.tensor, nullptr);
}

void GradientBuckets::fill_buckets(const std::vector<std::size_t>& order) {
  buckets_.clear();
  Bucket small;
  for (const std::size_t i : order) {
    const at::Tensor& parameter = parameters_[i].tensor;
    if (bytes_of(parameter) >= GradientMemory::kLargeBytes) {
      add_bucket({.members = {i}, .elements = parameter.numel()});
      continue;
    }
    small.members.push_back(i);
    small.elements += parameter.numel();
    if (static_cast<std::size_t>(small.elements) * sizeof(float) >= bucket_bytes_) add_bucket(std::exchange(small, {}));
  }
  if (!small.members.empty()) add_bucket(std::move(small));
}

void GradientBuckets::add_bucket(Bucket bucket) {
  for (const std::size_t i : bucket.members) bucket_of_[i] = buckets_.size();
  buckets_.push_back(std::move(bucket));
}

void GradientBuckets::make_flat(Bucket& bucket, Communicator& ranks) {
  const at::Tensor& first = parameters_[bucket.members.front()].tensor;
  bucket.flat =
      first.is_cpu() ? make_flat_gradient(ranks, bucket.elements) : at::empty({bucket.elements}, first.options().requires_grad(false));
  std::int64_t at = 0;
  for (const std::size_t i : bucket.members) {
    const at::Tensor& parameter = parameters_[i].tensor;
    bucket.views.push_back(bucket.flat.narrow(0, at, parameter.numel()).as_strided(parameter.sizes(), parameter.strides()));
    at += parameter.numel();
  }
}

void GradientBuckets::set_order(std::vector<std::int64_t> order) {
  std::vector<std::size_t> places(parameters_.size());
  std::vector<bool> is_there(parameters_.size());
  if (order.size() != parameters_.size()) throw std::invalid_argument("an order of the gradients with other parameters");
  for (std::size_t k = 0; k < order.size(); ++k) {
    const auto i = static_cast<std::size_t>(order[k]);
    if (i >= is_there.size() || is_there[i])
      throw std::invalid_argument("an order of the gradients that is no permutation of the parameters");
    is_there[i] = true;
    places[k] = i;
  }
  order_ = std::move(order);
  fill_buckets(places);
}

void GradientBuckets::keep_order() {
  order_.clear();
  for (const Bucket& bucket : buckets_) order_.insert(order_.end(), bucket.members.begin(), bucket.members.end());
}

void GradientBuckets::zero() {
  for (const NamedParameter& parameter : parameters_) parameter.tensor.mutable_grad() = at::Tensor();
  used_.zero_();
  pending_.zero_();
  reduced_.clear();
  ready_.clear();
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

void GradientBuckets::multiply(double factor) {
  const torch::NoGradGuard no_grad;
  prepare_backward();  // two of them may share memory
  for (const NamedParameter& parameter : parameters_)
    if (parameter.tensor.grad().defined()) parameter.tensor.mutable_grad().mul_(factor);
}

at::Tensor GradientBuckets::packed(Bucket& bucket, Communicator& ranks, long owners) {
  if (bucket.members.size() > 1 && !bucket.flat.defined()) make_flat(bucket, ranks);
  const GradientMemory memory(ranks);
  for (std::size_t k = 0; k < bucket.members.size(); ++k) {
    const at::Tensor& parameter = parameters_[bucket.members[k]].tensor;
    at::Tensor& gradient = parameter.mutable_grad();
    if (!bucket.flat.defined() && gradient.defined() && is_own(gradient, parameter, owners)) continue;
    at::Tensor target = bucket.flat.defined() ? bucket.views[k] : at::empty_like(parameter);
    if (!gradient.defined())
      target.zero_();
    else if (!gradient.is_same(target))
      target.copy_(dense(gradient));
    gradient = target;
  }
  return bucket.flat.defined() ? bucket.flat : parameters_[bucket.members.front()].tensor.grad().as_strided({bucket.elements}, {1});
}

void GradientBuckets::start(Bucket& bucket, Communicator& ranks, long owners) {
  const torch::NoGradGuard no_grad;
  bucket.message = packed(bucket, ranks, owners);
  if (ranks.size() > 1 && !ranks.sees_nonfinite()) {
    const at::Tensor sum = bucket.message.sum();
    if (!sum.is_cpu())
      own_sums_.push_back(sum);  // looked at once the pass is over: asking now would make the device wait in the middle of it
    else if (!std::isfinite(sum.item<float>()))
      nonfinite_rank_ = ranks.rank();
  }
  const bool is_rounded = sent_as_ != NumberFormat::float32 && ranks.size() > 1, is_bf16 = sent_as_ == NumberFormat::bf16;
  if (is_rounded) {
    const GradientMemory memory(ranks);
    bucket.rounded = bucket.message.to(is_bf16 ? at::kBFloat16 : at::kHalf);
  }
  const at::Tensor& sent = is_rounded ? bucket.rounded : bucket.message;
  const ReduceType type = !is_rounded ? ReduceType::f32 : is_bf16 ? ReduceType::bf16 : ReduceType::f16;
  bucket.ticket = ranks.start_all_reduce({static_cast<std::byte*>(sent.mutable_data_ptr()), sent.nbytes()}, type, ReduceOp::sum);
  bucket.is_started = true;
}

void GradientBuckets::reduce_during_backward(Communicator& ranks) {
  during_backward_ = &ranks;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.members.size();
}

void GradientBuckets::take_ready(std::size_t parameter) {
  if (order_.empty() && !is_used(parameter)) ready_.push_back(static_cast<std::int64_t>(parameter));
  used_.data_ptr<std::uint8_t>()[parameter] = 1;
  if (std::exchange(does_spoil_, false)) {
    const torch::NoGradGuard no_grad;
    parameters_[parameter].tensor.mutable_grad().mul_(std::numeric_limits<double>::quiet_NaN());
  }
  if (during_backward_ == nullptr) return;
  Bucket& bucket = buckets_[bucket_of_[parameter]];
  if (bucket.is_started || bucket.missing == 0)
    throw Error(fmt::format("backward: the gradient of {} is written twice in one pass, and was being summed over the ranks already\n"
                            "  next: set parallel.overlap: false",
                            parameters_[parameter].name),
                kExitConfiguration);
  --bucket.missing;
  for (; next_ < buckets_.size() && buckets_[next_].missing == 0; ++next_) start(buckets_[next_], *during_backward_, kOwnersInHook);
}

int GradientBuckets::all_reduce(Communicator& ranks, bool contributes) {
  const torch::NoGradGuard no_grad;
  during_backward_ = nullptr;
  if (!contributes) zero();
  for (; next_ < buckets_.size(); ++next_) start(buckets_[next_], ranks, kOwners);
  at::Tensor uses = used_.to(at::kFloat);
  const std::span<float> values(uses.data_ptr<float>(), parameters_.size());
  ranks.all_reduce(std::as_writable_bytes(values), ReduceType::f32, ReduceOp::sum);
  reduced_.clear();
  for (Bucket& bucket : buckets_) {
    ranks.finish(bucket.ticket);
    if (bucket.rounded.defined()) bucket.message.copy_(std::exchange(bucket.rounded, {}));
    reduced_.push_back(std::exchange(bucket.message, {}));
    bucket.is_started = false;
  }
  next_ = 0;
  used_.copy_(uses.gt(0));
  if (order_.empty()) agree_on_order(ranks);
  if (!own_sums_.empty() && !at::stack(std::exchange(own_sums_, {})).isfinite().all().item<bool>()) nonfinite_rank_ = ranks.rank();
  const int seen = ranks.take_nonfinite_rank(), mine = std::exchange(nonfinite_rank_, -1);
  return seen >= 0 && mine >= 0 ? std::min(seen, mine) : std::max(seen, mine);
}

void GradientBuckets::agree_on_order(Communicator& ranks) {
  for (std::size_t i = parameters_.size(); i-- > 0;)
    if (std::find(ready_.begin(), ready_.end(), static_cast<std::int64_t>(i)) == ready_.end())
      ready_.push_back(static_cast<std::int64_t>(i));
  ranks.broadcast(std::as_writable_bytes(std::span(ready_)), 0);
  set_order(std::exchange(ready_, {}));
}

double GradientBuckets::squares(int part, int parts) const {
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  for (const at::Tensor& message : reduced_) {
    const std::int64_t begin = message.numel() * part / parts, end = message.numel() * (part + 1) / parts;
    if (begin < end) norms.push_back(at::linalg_vector_norm(message.narrow(0, begin, end - begin)));
  }
  return norms.empty() ? 0 : at::stack(norms).cpu().to(at::kDouble).square().sum().item<double>();  // a device is waited for once
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
