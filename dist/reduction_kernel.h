// The arithmetic of an all-reduce over memory that can be read and written directly: every element is combined in the order of the
// inputs, so that the bits depend on nothing else. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dist/communicator.h"

namespace holdfast {

/// Bytes of an element.
std::size_t size_of(ReduceType type);

/// Combines elements [begin, end) of all `buffers` in their order and writes the result into each of them; into `buffers[mine]` alone
/// where `is_shared_out` is false. bf16 and f16 are summed in float32 and rounded once. Returns the place of the first buffer with an
/// element that is not finite, -1 for none (floats only). Throws std::invalid_argument: a half type that is not summed.
int reduce(std::span<std::byte* const> buffers, std::size_t mine, std::size_t begin, std::size_t end, ReduceType type, ReduceOp op,
           bool is_shared_out);

}  // namespace holdfast
