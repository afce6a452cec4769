// The script of a Slurm job, made from slurm/holdfast.sbatch: what that file asks Slurm for and what it runs are filled in, and all
// that it does stays as it is. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

struct JobRequest {
  std::string name;
  std::string made_by;  // the command line, for who reads the script
  int nodes = 1;        // to train on
  int spares = 0;       // further nodes, for when one is lost
  int ranks_per_node = 1;
  std::optional<int> cores_per_rank;  // none: what Slurm gives a task by itself
  std::int64_t time_seconds = 0;
  std::int64_t warning_seconds = 0;    // before the time limit, for the checkpoint
  std::string partition, account;      // empty: the cluster's default
  std::vector<std::string> options;    // further ones of sbatch, as they are: "--exclusive"
  std::string program;                 // `holdfast`
  std::vector<std::string> arguments;  // of `holdfast run`
};

/// `pattern`: the text of slurm/holdfast.sbatch. Throws StorageError when it is not that.
std::string job_script(const std::string& pattern, const JobRequest& request);

/// A word of a shell, whatever is in it.
std::string shell_word(const std::string& text);

}  // namespace holdfast
