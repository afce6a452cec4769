// holdfast chaos: a training under random faults, compared with one that nobody disturbs.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

int chaos_command(const std::vector<std::string>& words);

}  // namespace holdfast
