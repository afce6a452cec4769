// The doctor's findings for people, and for programs. Pure.
#pragma once

#include <string>

#include "launch/doctor/examination.h"
#include "launch/doctor/finding.h"

namespace holdfast {

/// A line for each finding, with what to do below it; a line of numbers at the end.
std::string findings_table(const std::vector<HostFinding>& findings, double seconds);
nlohmann::json findings_json(const std::vector<HostFinding>& findings, const Examination& examination);

}  // namespace holdfast
