#include "options/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace holdfast {

double schedule_factor(const ScheduleOptions& options, std::int64_t completed, std::int64_t end) {
  const std::int64_t warmup = options.warmup_steps;
  if (completed < warmup) return static_cast<double>(completed + 1) / static_cast<double>(warmup);
  if (options.type != ScheduleKind::linear && options.type != ScheduleKind::cosine) return 1.0;
  end = options.total_steps.value_or(end);
  if (completed >= end) return options.final_factor;
  const double progress = static_cast<double>(completed - warmup) / static_cast<double>(end - warmup);
  const double part = options.type == ScheduleKind::linear ? 1 - progress : (1 + std::cos(std::numbers::pi * progress)) / 2;
  return options.final_factor + (1 - options.final_factor) * part;
}

double schedule_factor(const std::map<std::string, ScheduleOptions>& schedules, const std::string& name, std::int64_t completed,
                       std::int64_t last_step) {
  const ScheduleOptions& options = schedules.at(name);
  if (options.type != ScheduleKind::sequence) return schedule_factor(options, completed, last_step);
  const auto next = std::upper_bound(options.milestones.begin(), options.milestones.end(), completed);
  const std::int64_t begin = next == options.milestones.begin() ? 0 : *std::prev(next);
  const std::int64_t end = next == options.milestones.end() ? last_step : *next;
  const std::string& part = options.parts.at(static_cast<std::size_t>(next - options.milestones.begin()));
  return schedule_factor(schedules.at(part), completed - begin, end - begin);
}

}  // namespace holdfast
