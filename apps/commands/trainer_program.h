// holdfast-train, asked for what only it knows: whether a task's options are right, which tensors it has, how large its data are.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace holdfast {

struct TrainerAnswer {
  int exit_code = 0;
  std::string output;  // what it printed; errors go to our stderr as they come
};

/// Blocks. Throws Error when it cannot be started or dies of a signal.
TrainerAnswer ask_trainer(const std::filesystem::path& trainer, const std::vector<std::string>& arguments);

}  // namespace holdfast
