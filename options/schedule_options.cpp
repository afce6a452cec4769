// `schedules:`: what their keys mean, alone and together.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "options/metric_name.h"
#include "options/nearest.h"
#include "options/refusal.h"
#include "options/run_options.h"

namespace holdfast {

namespace {

constexpr std::pair<std::string_view, ScheduleKind> kKinds[] = {{"constant", ScheduleKind::constant},
                                                                {"linear", ScheduleKind::linear},
                                                                {"cosine", ScheduleKind::cosine},
                                                                {"plateau", ScheduleKind::plateau},
                                                                {"sequence", ScheduleKind::sequence}};

std::string_view name_of(ScheduleKind kind) { return kKinds[static_cast<std::size_t>(kind)].first; }

}  // namespace

void ScheduleOptions::describe(FieldVisitor& visitor) {
  visitor.choice(
      {.name = "type",
       .doc = "How the factor goes on after the warm-up. `constant`: it stays 1. `linear`, `cosine`: it falls to `final_factor`. "
              "`plateau`: it falls when a metric of the validation no longer gets better. `sequence`: one schedule after the other.",
       .synonyms = "name kind"},
      type, kKinds);
  describe_fall(visitor);
  describe_plateau(visitor);
  visitor.field({.name = "parts",
                 .doc = "`sequence` only: names under `schedules`, in the order in which they hold. Each begins with its first update.",
                 .synonyms = "schedulers schedules"},
                parts);
  visitor.field({.name = "milestones",
                 .doc = "`sequence` only: after how many updates the second part begins, the third, and so on.",
                 .unit = "updates",
                 .min = 1,
                 .synonyms = "steps"},
                milestones);
}

void ScheduleOptions::describe_fall(FieldVisitor& visitor) {
  visitor.field({.name = "warmup_steps",
                 .doc = "Over these first updates the factor grows from 1/warmup_steps to 1.",
                 .unit = "updates",
                 .min = 0,
                 .synonyms = "warmup num_warmup_steps"},
                warmup_steps);
  visitor.field(
      {.name = "total_steps",
       .doc = "`linear`, `cosine` only: where the fall ends; later updates keep `final_factor`. null: the end of the run, or of its "
              "part of a sequence.",
       .unit = "updates",
       .min = 1,
       .synonyms = "num_training_steps max_steps"},
      total_steps);
  visitor.field({.name = "final_factor",
                 .doc = "`linear`, `cosine` only: the factor at the end of the fall.",
                 .min = 0,
                 .max = 1,
                 .synonyms = "min_factor min_lr_ratio"},
                final_factor);
}

void ScheduleOptions::describe_plateau(FieldVisitor& visitor) {
  visitor.field({.name = "monitor", .doc = "`plateau` only: the metric of the validation that has to get better.", .synonyms = "metric"},
                monitor);
  visitor.choice({.name = "mode", .doc = "`plateau` only: whether a smaller or a larger `monitor` is better."}, mode, kModeNames);
  visitor.field({.name = "factor",
                 .doc = "`plateau` only: what the factor is multiplied by when it falls.",
                 .min = 0,
                 .max = 1,
                 .min_is_excluded = true,
                 .max_is_excluded = true,
                 .synonyms = "gamma"},
                factor);
  visitor.field(
      {.name = "patience",
       .doc = "`plateau` only: so many validations in a row without an improvement are borne; the next one makes the factor fall.",
       .unit = "validations",
       .min = 0},
      patience);
  visitor.field({.name = "threshold",
                 .doc = "`plateau` only: what is better by no more than this is no improvement.",
                 .min = 0,
                 .synonyms = "min_delta"},
                threshold);
  visitor.field({.name = "is_relative",
                 .doc = "`plateau` only: `threshold` is a share of the best value, not a difference to it.",
                 .synonyms = "threshold_mode relative"},
                is_relative);
  visitor.field({.name = "cooldown",
                 .doc = "`plateau` only: after a fall so many validations do not count as ones without an improvement.",
                 .unit = "validations",
                 .min = 0},
                cooldown);
  visitor.field({.name = "min_factor", .doc = "`plateau` only: the factor falls no lower.", .min = 0, .max = 1, .synonyms = "min_lr"},
                min_factor);
}

namespace {

class ScheduleRules {
 public:
  ScheduleRules(const Configuration& configuration, const OptionTree& tree) : configuration_(configuration), tree_(tree) {}

  void run() const {
    for (const auto& [name, schedule] : configuration_.schedules) {
      const std::string path = "schedules." + name;
      check_owners(path, schedule);
      check_warmup(path, schedule);
      if (schedule.type == ScheduleKind::sequence) check_sequence(path, schedule);
    }
    for (const auto& [name, optimizer] : configuration_.optimizers)
      if (!optimizer.schedule.empty()) require_known("optimizers." + name + ".schedule", optimizer.schedule);
  }

 private:
  [[noreturn]] void refuse(const std::string& path, ErrorText text) const { refuse_at(tree_, path, std::move(text)); }

  void require_known(const std::string& path, const std::string& name) const {
    if (configuration_.schedules.count(name) > 0) return;
    std::vector<std::string> names;
    for (const auto& [known, schedule] : configuration_.schedules) names.push_back(known);
    refuse(path, unknown_word("a name under schedules", name, names));
  }

  void check_owners(const std::string& path, const ScheduleOptions& schedule) const {
    const ScheduleOptions defaults;
    const KeysOfTypes keys(tree_, path, name_of(schedule.type));
    keys.require_owner("warmup_steps", schedule.warmup_steps != defaults.warmup_steps, {"constant", "linear", "cosine", "plateau"});
    keys.require_owner("total_steps", schedule.total_steps != defaults.total_steps, {"linear", "cosine"});
    keys.require_owner("final_factor", schedule.final_factor != defaults.final_factor, {"linear", "cosine"});
    keys.require_owner("monitor", schedule.monitor != defaults.monitor, {"plateau"});
    keys.require_owner("mode", schedule.mode != defaults.mode, {"plateau"});
    keys.require_owner("factor", schedule.factor != defaults.factor, {"plateau"});
    keys.require_owner("patience", schedule.patience != defaults.patience, {"plateau"});
    keys.require_owner("threshold", schedule.threshold != defaults.threshold, {"plateau"});
    keys.require_owner("is_relative", schedule.is_relative != defaults.is_relative, {"plateau"});
    keys.require_owner("cooldown", schedule.cooldown != defaults.cooldown, {"plateau"});
    keys.require_owner("min_factor", schedule.min_factor != defaults.min_factor, {"plateau"});
    keys.require_owner("parts", schedule.parts != defaults.parts, {"sequence"});
    keys.require_owner("milestones", schedule.milestones != defaults.milestones, {"sequence"});
  }

  void check_warmup(const std::string& path, const ScheduleOptions& schedule) const {
    if (!schedule.total_steps || schedule.warmup_steps <= *schedule.total_steps) return;
    refuse(path + ".warmup_steps",
           {.expected = fmt::format("at most total_steps ({})", *schedule.total_steps), .found = fmt::format("{}", schedule.warmup_steps)});
  }

  void check_sequence(const std::string& path, const ScheduleOptions& schedule) const {
    if (schedule.parts.size() < 2)
      refuse(path + ".parts", {.expected = "two names under schedules, or more", .found = fmt::format("{}", schedule.parts.size())});
    for (std::size_t i = 0; i < schedule.parts.size(); ++i) {
      const std::string part = fmt::format("{}.parts.{}", path, i);
      require_known(part, schedule.parts[i]);
      const ScheduleKind type = configuration_.schedules.at(schedule.parts[i]).type;
      if (type == ScheduleKind::sequence || type == ScheduleKind::plateau)
        refuse(part, {.expected = "a schedule of type constant, linear or cosine",
                      .found = fmt::format("{} of type {}", schedule.parts[i], name_of(type))});
    }
    if (schedule.milestones.size() != schedule.parts.size() - 1 ||
        !std::is_sorted(schedule.milestones.begin(), schedule.milestones.end(), std::less_equal()))
      refuse(path + ".milestones", {.expected = fmt::format("{} growing number{}: where each part but the first begins",
                                                            schedule.parts.size() - 1, schedule.parts.size() == 2 ? "" : "s"),
                                    .found = fmt::format("[{}]", fmt::join(schedule.milestones, ", "))});
  }

  const Configuration& configuration_;
  const OptionTree& tree_;
};

}  // namespace

void require_consistent_schedules(const Configuration& configuration, const OptionTree& tree) { ScheduleRules(configuration, tree).run(); }

void require_measured(const std::map<std::string, ScheduleOptions>& schedules, const OptionTree& tree,
                      const std::vector<std::string>& metrics) {
  const std::vector<std::string> known = of_validation(metrics);
  for (const auto& [name, schedule] : schedules) {
    if (schedule.type != ScheduleKind::plateau || std::find(known.begin(), known.end(), schedule.monitor) != known.end()) continue;
    refuse_at(tree, "schedules." + name + ".monitor", unknown_metric("a metric of the validation", schedule.monitor, known));
  }
}

}  // namespace holdfast
