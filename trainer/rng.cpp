#include "trainer/rng.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <array>
#include <cstring>

#include "base/digest.h"

namespace holdfast {

void seed_generators(std::uint64_t seed, int rank, std::int64_t step) {
  const std::array<std::uint64_t, 3> key = {seed, static_cast<std::uint64_t>(rank), static_cast<std::uint64_t>(step)};
  const Digest digest = digest_of(std::as_bytes(std::span(key)));
  std::uint64_t mixed = 0;
  std::memcpy(&mixed, digest.bytes.data(), sizeof mixed);
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(mixed);
}

GeneratorStates generator_states() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return {generator.get_state()};
}

void set_generator_states(const GeneratorStates& states) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  generator.set_state(states.at(0));
}

StateEntry generator_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::int64_t bytes = generator.get_state().numel();
  StateEntry entry{.info = {.name = std::string(kRngPrefix) + "cpu", .dtype = DType::u8, .shape = {bytes}, .kind = TensorKind::per_rank},
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

}  // namespace holdfast
