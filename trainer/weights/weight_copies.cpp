#include "trainer/weights/weight_copies.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <cstring>

#include "trainer/state/model_state.h"
#include "trainer/state/state_entry.h"

namespace holdfast {
namespace {

/// Few enough for the cache, and for LibTorch to stay in the calling thread: the cores are the training's.
constexpr std::int64_t kSliceElements = 32768;

at::Tensor checked(at::Tensor made, std::int64_t count, at::ScalarType type, const std::string& name) {
  if (made.defined() && made.dim() == 1 && made.numel() == count && made.scalar_type() == type) return made.contiguous();
  throw std::runtime_error(fmt::format("the transform made {} of {} elements of {}, expected {} [{}]",
                                       made.defined()
                                           ? fmt::format("{} [{}]", c10::toString(made.scalar_type()), fmt::join(made.sizes().vec(), ", "))
                                           : std::string("nothing"),
                                       count, name, c10::toString(type), count));
}

/// What the code of a transform returns, or throws: a text in any case.
template <class Call>
auto result_of(const std::string& tensor, const Call& call) {
  try {
    return call();
  } catch (const std::exception&) {
    throw;
  } catch (...) {
    throw std::runtime_error(fmt::format("the transform threw what is no std::exception, at {}", tensor));
  }
}

}  // namespace

StateEntry transformed(const StateEntry& source, std::shared_ptr<const Transform> transform) {
  const at::ScalarType from = scalar_type_of(source.info.dtype);
  if (!at::isFloatingType(from)) return source;
  const std::string name = source.info.name.substr(std::string_view(kModelPrefix).size());
  const at::ScalarType to = result_of(name, [&] { return transform->dtype(from); });
  if (!at::isFloatingType(to))
    throw std::runtime_error(fmt::format("a transform makes {} of {}: expected a floating-point type", c10::toString(to), name));
  StateEntry entry = source;
  entry.info.dtype = dtype_of(to);
  entry.copy_from = [](std::uint64_t, std::span<const std::byte>) { throw std::logic_error("a transformed copy is not read back"); };
  entry.copy_to = [source, name, from, to, transform = std::move(transform)](std::uint64_t offset, std::span<std::byte> into) {
    const torch::NoGradGuard no_grad;
    const auto out_bytes = static_cast<std::uint64_t>(c10::elementSize(to)), in_bytes = static_cast<std::uint64_t>(c10::elementSize(from));
    const auto first = static_cast<std::int64_t>(offset / out_bytes), count = static_cast<std::int64_t>(into.size() / out_bytes);
    const at::Tensor values = at::empty({count}, from);
    source.copy_to(static_cast<std::uint64_t>(first) * in_bytes,
                   {static_cast<std::byte*>(values.data_ptr()), static_cast<std::size_t>(count) * in_bytes});
    for (std::int64_t at = 0; at < count; at += kSliceElements) {
      const std::int64_t size = std::min(kSliceElements, count - at);
      const WeightSlice slice{
          .name = name, .shape = source.info.shape, .offset = source.slice.offset + first + at, .values = values.narrow(0, at, size)};
      const at::Tensor made = checked(result_of(name, [&] { return transform->apply(slice); }), size, to, name);
      std::memcpy(into.data() + static_cast<std::size_t>(at) * out_bytes, made.const_data_ptr(),
                  static_cast<std::size_t>(size) * out_bytes);
    }
  };
  return entry;
}

WeightCopies::WeightCopies(const Configuration& configuration, const Registry& registry, const ComponentContext& context,
                           torch::nn::Module& model)
    : model_(&model) {
  for (const auto& [name, options] : configuration.transforms)
    if (options.type == kAverageType) averages_[name] = std::make_unique<WeightAverage>(name, options, model);
  for (const auto& [name, options] : configuration.transforms)
    if (options.type != kAverageType)
      functions_[name] = {registry.make_transform(name, options, context), options.of.empty() ? nullptr : averages_.at(options.of).get()};
}

void WeightCopies::update(std::int64_t global_step) {
  for (auto& [name, average] : averages_) average->update(global_step);
}

void WeightCopies::reset() {
  for (auto& [name, average] : averages_) average->reset();
}

std::vector<std::string> WeightCopies::reset_missing(const std::vector<TensorInfo>& stored) {
  std::set<std::string> known;
  for (const TensorInfo& tensor : stored) known.insert(tensor.name);
  std::vector<std::string> missing;
  for (auto& [name, average] : averages_) {
    const std::vector<std::string> begun = average->reset_missing(known);
    if (begun.empty()) continue;
    missing.push_back(average->is_all(begun) ? name : fmt::format("{} (of {})", name, fmt::join(begun, ", ")));
  }
  return missing;
}

std::vector<StateEntry> WeightCopies::state() const {
  std::vector<StateEntry> entries;
  for (const auto& [name, average] : averages_)
    for (StateEntry& entry : average->state()) entries.push_back(std::move(entry));
  return entries;
}

std::vector<TransformedWeights> WeightCopies::transforms() const {
  std::vector<TransformedWeights> made;
  for (const auto& [name, average] : averages_) made.push_back({name, [&average = *average] { return average.weights(); }});
  for (const auto& [name, function] : functions_)
    made.push_back({name, [model = model_, &function = function] {
                      std::vector<StateEntry> entries = function.of ? function.of->weights() : model_entries(*model);
                      for (StateEntry& entry : entries) entry = transformed(entry, function.transform);
                      return entries;
                    }});
  return made;
}

std::unique_ptr<WeightAverage::InModel> WeightCopies::put_into_model(const std::string& name) const {
  return name.empty() ? nullptr : std::make_unique<WeightAverage::InModel>(*averages_.at(name));
}

}  // namespace holdfast
