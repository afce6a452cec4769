// What was thrown, in words: LibTorch's errors without the C++ stack that they carry.
#pragma once

#include <exception>
#include <string>

namespace holdfast {

std::string words_of(const std::exception_ptr& thrown);

}  // namespace holdfast
