// The report as text for a terminal.
#pragma once

#include <string>

#include "report/history.h"

namespace holdfast {

std::string report_text(const RunHistory& history);

/// "runs/a: finished after 2 attempts at step 40"
std::string headline(const RunHistory& history);

/// Ranks, the slowest first by what they need for their own part of a step; those that computed none are left out.
std::vector<RankAccount> slowest_first(const std::vector<RankAccount>& ranks);
double median_seconds_per_step(const std::vector<RankAccount>& ranks);

}  // namespace holdfast
