// The factor on a learning rate as a function of completed updates. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "options/run_options.h"

namespace holdfast {

/// For the update that follows `completed` updates. `end`: where the fall ends unless the schedule has total_steps.
/// linear: from 1 to final_factor; cosine: half a cosine between the same (Loshchilov and Hutter 2017, without restarts);
/// warm-up: linear from 1/warmup_steps to 1 over the first warmup_steps updates. plateau: the warm-up alone. No sequence.
double schedule_factor(const ScheduleOptions& options, std::int64_t completed, std::int64_t end);

/// The schedule `name` of `schedules`, also a sequence, in a run of `last_step` updates. A part of a sequence counts updates from its own
/// first one, and falls until the next part begins.
double schedule_factor(const std::map<std::string, ScheduleOptions>& schedules, const std::string& name, std::int64_t completed,
                       std::int64_t last_step);

}  // namespace holdfast
