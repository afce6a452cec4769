// `holdfast report`: what a run did and where its time went.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Throws Error (65) where there is no run.
int report_command(const std::vector<std::string>& words);

}  // namespace holdfast
