// What a shim says of its rank, with made-up values.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace holdfast {

nlohmann::json hello_of(int rank, const std::string& token, int attempt);
/// {"status": ..., "times": ..., "host": ...}; `seconds` since the rank began.
nlohmann::json word_of(int rank, std::int64_t step, double seconds);

}  // namespace holdfast
