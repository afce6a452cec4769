#include "trainer/state/rng.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>

#include <array>
#include <cstring>

#include "base/digest.h"

namespace holdfast {
namespace {

at::Generator generator_of(at::Device place) {
  return place.is_cpu() ? at::detail::getDefaultCPUGenerator() : at::globalContext().defaultGenerator(place);
}

/// Every generator tells its state as bytes in the host's memory.
StateEntry state_of(at::Device place) {
  at::Generator generator = generator_of(place);
  const std::int64_t bytes = generator.get_state().numel();
  StateEntry entry{.info = {.name = generator_name(place), .dtype = DType::u8, .shape = {bytes}, .kind = TensorKind::per_rank},
                   .slice = {0, bytes}};
  entry.copy_to = [generator](std::uint64_t offset, std::span<std::byte> into) mutable {
    const std::lock_guard lock(generator.mutex());
    const at::Tensor state = generator.get_state();
    std::memcpy(into.data(), static_cast<const std::byte*>(state.data_ptr()) + offset, into.size());
  };
  entry.copy_from = [generator](std::uint64_t offset, std::span<const std::byte> from) mutable {
    const std::lock_guard lock(generator.mutex());
    const at::Tensor state = generator.get_state();
    std::memcpy(static_cast<std::byte*>(state.data_ptr()) + offset, from.data(), from.size());
    generator.set_state(state);
  };
  return entry;
}

}  // namespace

std::string generator_name(at::Device place) { return kRngPrefix + c10::DeviceTypeName(place.type(), /*lower_case=*/true); }

void seed_generator(std::uint64_t seed, int rank, std::int64_t step, at::Device place) {
  const std::array<std::uint64_t, 3> key = {seed, static_cast<std::uint64_t>(rank), static_cast<std::uint64_t>(step)};
  const Digest digest = digest_of(std::as_bytes(std::span(key)));
  std::uint64_t mixed = 0;
  std::memcpy(&mixed, digest.bytes.data(), sizeof mixed);
  at::Generator generator = generator_of(place);
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(mixed);
}

void seed_generators(std::uint64_t seed, int rank, std::int64_t step, at::Device place) {
  seed_generator(seed, rank, step, at::kCPU);
  if (!place.is_cpu()) seed_generator(seed, rank, step, place);
}

std::vector<StateEntry> generator_states(at::Device place) {
  std::vector<StateEntry> states = {state_of(at::kCPU)};
  if (!place.is_cpu()) states.push_back(state_of(place));
  return states;
}

GeneratorPositions generator_positions(at::Device place) {
  GeneratorPositions positions;
  const auto add = [&](at::Generator generator) {
    const std::lock_guard lock(generator.mutex());
    positions.emplace_back(generator, generator.get_state());
  };
  add(generator_of(at::kCPU));
  if (!place.is_cpu()) add(generator_of(place));
  return positions;
}

void put_back(const GeneratorPositions& positions) {
  for (const auto& [generator, state] : positions) {
    at::Generator to_move = generator;
    const std::lock_guard lock(to_move.mutex());
    to_move.set_state(state);
  }
}

}  // namespace holdfast
