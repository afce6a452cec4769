// The numbers that stored bytes stand for, whatever their dtype. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "checkpoint/format/tensor.h"

namespace holdfast {

float float_from_half(std::uint16_t bits);
float float_from_bfloat16(std::uint16_t bits);

/// How an element of one dtype is read: a Value from the bytes at an address, which need not be aligned.
template <class T>
struct PlainElement {
  using Value = T;
  static Value read(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
};
template <float (*kConvert)(std::uint16_t)>
struct ShortFloatElement {
  using Value = float;
  static Value read(const std::byte* at) { return kConvert(PlainElement<std::uint16_t>::read(at)); }
};

/// Calls visit with the element type of `dtype`. A bool is a number, 0 or 1.
template <class Visit>
decltype(auto) with_element(DType dtype, Visit&& visit) {
  switch (dtype) {
    case DType::u8:
    case DType::boolean: return visit(PlainElement<std::uint8_t>{});
    case DType::i8: return visit(PlainElement<std::int8_t>{});
    case DType::i16: return visit(PlainElement<std::int16_t>{});
    case DType::i32: return visit(PlainElement<std::int32_t>{});
    case DType::i64: return visit(PlainElement<std::int64_t>{});
    case DType::f32: return visit(PlainElement<float>{});
    case DType::f64: return visit(PlainElement<double>{});
    case DType::f16: return visit(ShortFloatElement<float_from_half>{});
    case DType::bf16: return visit(ShortFloatElement<float_from_bfloat16>{});
  }
  throw std::logic_error("a dtype without elements");
}

/// An integer beyond 2^53 is rounded.
inline double value_at(const std::byte* at, DType dtype) {
  return with_element(dtype, [at](auto element) { return static_cast<double>(element.read(at)); });
}

}  // namespace holdfast
