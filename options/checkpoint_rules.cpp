// require_consistent: what the keys of an entry of `checkpoints:` say together, and what its entries do.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/name.h"
#include "options/metric_name.h"
#include "options/name_template.h"
#include "options/refusal.h"
#include "options/run_options.h"

namespace holdfast {
namespace {

class EntryRules {
 public:
  EntryRules(const CheckpointOptions& entry, std::string path, const OptionTree& tree)
      : entry_(entry), path_(std::move(path)), tree_(tree) {}

  void run() const {
    check_name();
    check_triggers();
    check_choice();
    for (const auto& [key, text] : names()) check_template(key, *text);
  }

  /// That what it ranks by, and what its names are made of, is one of `metrics`.
  void check_metrics(const std::vector<std::string>& metrics) const {
    check_metric("monitor", entry_.monitor, metrics);
    for (const auto& [key, text] : names())
      for (const std::string& metric : NameTemplate(*text, entry_.auto_insert_metric_name).metrics()) check_metric(key, metric, metrics);
  }

  [[noreturn]] void refuse(const std::string& key, ErrorText text) const { refuse_at(tree_, path_ + "." + key, std::move(text)); }

 private:
  void check_name() const {
    if (!is_name(entry_.name))
      refuse("name", {.expected = "a name of letters, digits, _ and -", .found = fmt::format("'{}'", entry_.name)});
    if (is_reserved_name(entry_.name))
      refuse("name",
             {.expected = "another name", .found = fmt::format("'{}'", entry_.name), .cause = "checkpoints/ has such names of its own"});
  }

  void check_triggers() const {
    const std::optional<double>& every = entry_.every_steps;
    if (every && *every >= 1 && *every != std::floor(*every))
      refuse("every_steps", {.expected = "a whole number, or a fraction of the run below 1", .found = fmt::format("{}", *every)});
  }

  void check_choice() const {
    if (entry_.top_k && entry_.limit)
      refuse("limit", {.expected = "top_k or limit",
                       .found = "both",
                       .cause = "top_k keeps the best states, limit the newest with the best among them",
                       .next = "give one of them; two entries keep both kinds, and what both keep is stored once"});
    if (!entry_.monitor.empty()) return;
    if (entry_.load_best_at_end)
      refuse("load_best_at_end", {.expected = "a monitor beside it",
                                  .found = "none",
                                  .cause = "there is no metric to tell the best by",
                                  .next = "name one, for example `monitor: val_loss`"});
    if (entry_.top_k.value_or(0) > 1)
      refuse("top_k", {.expected = "-1, 0 or 1 without a monitor",
                       .found = fmt::format("{}", *entry_.top_k),
                       .cause = "there is no metric to tell the best by",
                       .next = fmt::format("name one, for example `monitor: val_loss`, or keep the newest: `limit: {}`", *entry_.top_k)});
    if (entry_.only_best)
      refuse("only_best", {.expected = "a monitor beside it",
                           .found = "none",
                           .cause = "there is no metric to tell the best by",
                           .next = "name one, for example `monitor: val_loss`"});
  }

  std::vector<std::pair<const char*, const std::string*>> names() const {
    return {{"filename", &entry_.filename},
            {"last_filename", &entry_.last_filename},
            {"exception_filename", &entry_.exception_filename},
            {"signal_filename", &entry_.signal_filename}};
  }

  void check_metric(const char* key, const std::string& metric, const std::vector<std::string>& metrics) const {
    if (metric.empty() || metric == "epoch" || metric == "step" || std::find(metrics.begin(), metrics.end(), metric) != metrics.end())
      return;
    refuse(key, unknown_metric("a metric that the run measures", metric, metrics));
  }

  void check_template(const std::string& key, const std::string& text) const {
    try {
      const NameTemplate name(text, entry_.auto_insert_metric_name);
      require_file_name(name.format({}));
    } catch (const std::invalid_argument& error) {
      refuse(key, {.expected = "a name such as {epoch}-{val_loss:.2f}", .found = fmt::format("'{}'", text), .cause = error.what()});
    }
  }

  const CheckpointOptions& entry_;
  std::string path_;
  const OptionTree& tree_;
};

}  // namespace

bool is_ever_due(const ValidationOptions& validation) {
  return validation.at_end || validation.every_steps.value_or(0) > 0 || validation.every_epochs.value_or(0) > 0;
}

void require_measured(const std::vector<CheckpointOptions>& checkpoints, const OptionTree& tree, const std::vector<std::string>& metrics) {
  for (std::size_t i = 0; i < checkpoints.size(); ++i)
    EntryRules(checkpoints[i], fmt::format("checkpoints.{}", i), tree).check_metrics(metrics);
}

void note_measured_weights(std::vector<CheckpointOptions>& checkpoints, const ValidationOptions& validation) {
  for (CheckpointOptions& entry : checkpoints) entry.measured_weights = is_of_validation(entry.monitor) ? validation.weights : "";
}

void require_consistent(const std::vector<CheckpointOptions>& checkpoints, const OptionTree& tree) {
  std::set<std::string> names;
  std::string loads_best;
  for (std::size_t i = 0; i < checkpoints.size(); ++i) {
    const EntryRules rules(checkpoints[i], fmt::format("checkpoints.{}", i), tree);
    rules.run();
    if (!names.insert(checkpoints[i].name).second)
      rules.refuse("name",
                   {.expected = "a name of its own", .found = fmt::format("'{}', which an entry before it has", checkpoints[i].name)});
    if (!checkpoints[i].load_best_at_end) continue;
    if (!loads_best.empty())
      rules.refuse("load_best_at_end", {.expected = "one entry that asks for it", .found = fmt::format("{} does, too", loads_best)});
    loads_best = checkpoints[i].name;
  }
  const auto is_weights_only = [](const CheckpointOptions& entry) { return entry.weights_only; };
  if (!checkpoints.empty() && std::all_of(checkpoints.begin(), checkpoints.end(), is_weights_only))
    EntryRules(checkpoints[0], "checkpoints.0", tree)
        .refuse("weights_only", {.expected = "an entry that saves whole states, too",
                                 .found = "weights_only in every entry",
                                 .cause = "no run goes on from weights alone: after a stop or a failure, or when it is finished, it would "
                                          "start over",
                                 .next = "add one, for example `{name: resume, every_minutes: 10, limit: 1}`"});
}

}  // namespace holdfast
