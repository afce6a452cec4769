// The report for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "report/history.h"

namespace holdfast {

nlohmann::json report_json(const RunHistory& history);

}  // namespace holdfast
