// Lengths of time as people write them: seconds (`5400`, `0.5`), units (`1d2h30m15s`), or clock fields (`DD:HH:MM:SS`, `HH:MM:SS`).
#pragma once

#include <optional>
#include <string_view>

namespace holdfast {

/// In seconds; nullopt for anything else, for nothing, and for what is not above 0.
std::optional<double> duration_from(std::string_view text);

}  // namespace holdfast
