// The hosts of the Slurm allocation that this process runs in.
#pragma once

#include <vector>

#include "launch/hosts/host_list.h"

namespace holdfast {

/// From SLURM_JOB_NODELIST, by `scontrol show hostnames`. Slots: the tasks of each host where a number of tasks was asked for
/// (SLURM_NTASKS, SLURM_NTASKS_PER_NODE), else its cores by SLURM_CPUS_PER_TASK. None outside an allocation. Throws ConfigError.
std::vector<Host> slurm_allocation();

}  // namespace holdfast
