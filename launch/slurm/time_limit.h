// How long a job may take, as people write it and as Slurm does. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

/// Seconds of "90m", "2h", "1h30m", "2d12h" or, as Slurm writes it, "12:00:00", "1-12:00:00", "1-12:00", "1-12". `option` is named in
/// errors. Throws UsageError, also for what Slurm reads in another way than many expect: a number alone (minutes), "12:00" (minutes
/// and seconds).
std::int64_t parse_time_limit(const std::string& text, const std::string& option);

/// "1-12:00:00"
std::string slurm_time(std::int64_t seconds);

}  // namespace holdfast
