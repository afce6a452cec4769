// The tables of the page.
#pragma once

#include <string>

#include "report/history.h"

namespace holdfast {

/// Its class in the style sheet: "cause-useful_steps".
std::string color_of(RunCause cause);
std::string causes_table(const Account& account);
std::string failures_list(const RunHistory& history);
std::string stragglers_list(const RunHistory& history);
std::string saves_table(const RunHistory& history);
std::string ranks_table(const Account& account);

}  // namespace holdfast
