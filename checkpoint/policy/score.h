// How scores of a monitored metric compare. Pure.
#pragma once

#include <cmath>
#include <limits>
#include <optional>

#include "options/run_options.h"

namespace holdfast {

inline double worst_score(Mode mode) { return (mode == Mode::min ? 1 : -1) * std::numeric_limits<double>::infinity(); }

inline bool is_better(Mode mode, double a, double b) { return mode == Mode::min ? a < b : a > b; }

/// What states are compared by: one without a number is worse than any.
inline double key_of(Mode mode, const std::optional<double>& score) { return score && !std::isnan(*score) ? *score : worst_score(mode); }

}  // namespace holdfast
