// `holdfast new NAME`: writes a small project with a task of one's own. The files are those of templates/task, which are built and tested
// as they are.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

int new_command(const std::vector<std::string>& arguments);

}  // namespace holdfast
