// When the batch system ends the job that this process is in. Slurm; other systems send a signal, or are told of by trainer.max_time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// "2026-11-28T21:15:00", local time, as squeue prints it, in seconds since 1970; nullopt for anything else ("N/A": no limit).
std::optional<double> local_time_from(std::string_view text);

struct JobEnd {
  std::optional<double> unix_seconds;  // none: no job, no limit, or not known
  std::string problem = {};            // why it is not known
};

/// SLURM_JOB_END_TIME, else what squeue says of SLURM_JOB_ID. Starts a process, and waits 10 seconds for it at most.
JobEnd job_end();

}  // namespace holdfast
