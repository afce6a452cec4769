#include "checkpoint/policy/entry_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "checkpoint/policy/excess.h"
#include "checkpoint/policy/score.h"
#include "options/name_template.h"

namespace holdfast {
const NamedState* best_of(const CheckpointOptions& options, const EntryState& entry) {
  if (!is_comparable(options, entry)) return nullptr;
  // limit follows the Hugging Face Trainer, where a value must beat the infinity that the comparison starts from.
  const bool must_beat_infinity = choice_of(options).by == Choice::By::age;
  const NamedState* best = nullptr;
  for (const NamedState& named : entry.names) {
    if (named.slot != Slot::kept || !named.score || std::isnan(*named.score)) continue;
    if (must_beat_infinity && *named.score == worst_score(options.mode)) continue;
    if (!best || is_better(options.mode, *named.score, *best->score)) best = &named;
  }
  return best;
}

const NamedState* kth_of(const CheckpointOptions& options, const EntryState& entry) {
  const Choice choice = choice_of(options);
  if (choice.by != Choice::By::score || (choice.count >= 0 && count_kept(entry.names) < choice.count)) return nullptr;
  const std::size_t index = worst_kept(options.mode, entry.names);
  return index < entry.names.size() ? &entry.names[index] : nullptr;
}

EntryDecision EntryPolicy::decide() {
  decision_.entry = options_.name;
  const std::string due = why_due();
  if (!due.empty()) {
    entry_.asked_at_minutes = boundary_.minutes;
    if (must_be_measured(options_) && !is_measured()) {
      entry_.is_waiting = true;
      decision_.is_warning = true;
      say(fmt::format("{}, but {} has not been measured at this state: it waits for the next measurement", due, options_.monitor));
    } else {
      entry_.is_waiting = false;
      rank(due);
    }
  }
  if (boundary_.step.is_last) save_final();
  save_interrupted();
  if (options_.save_last && (!due.empty() || boundary_.step.is_last || boundary_.interruption != Interruption::none)) save_last();
  return std::move(decision_);
}

std::string EntryPolicy::why_due() const {
  const StepEvent& step = boundary_.step;
  if (is_crossed(options_.every_steps, step.step_before, step.step_after)) return fmt::format("every_steps: {}", *options_.every_steps);
  if (is_crossed(options_.every_epochs, step.epochs_before, step.epochs_after))
    return fmt::format("every_epochs: {}", *options_.every_epochs);
  if (options_.every_minutes && boundary_.minutes - entry_.asked_at_minutes >= *options_.every_minutes)
    return fmt::format("every_minutes: {}", *options_.every_minutes);
  if (options_.after_validation && boundary_.has_validated) return "after_validation";
  if (entry_.is_waiting && is_measured()) return fmt::format("it waited for {}", options_.monitor);
  return options_.at_end && step.is_last ? "at_end" : "";
}

bool EntryPolicy::is_named() const {
  return std::any_of(entry_.names.begin(), entry_.names.end(), [&](const NamedState& named) { return named.state == state_; });
}

bool EntryPolicy::is_new_best() const {
  const double score = boundary_.metrics.at(options_.monitor);
  const NamedState* best = best_of(options_, entry_);
  return !std::isnan(score) && is_better(options_.mode, score, best ? *best->score : worst_score(options_.mode));
}

void EntryPolicy::rank(const std::string& due) {
  const bool is_kept = std::any_of(entry_.names.begin(), entry_.names.end(),
                                   [&](const NamedState& named) { return named.slot == Slot::kept && named.state == state_; });
  if (is_kept) return;  // a run that went on from here has come to nothing new
  const Choice choice = choice_of(options_);
  if (choice.count == 0) return say(due + ", but top_k: 0 keeps none");
  if (options_.only_best && !is_new_best())
    return say(fmt::format("{}, but {} {:.6g} is no new best", due, options_.monitor, boundary_.metrics.at(options_.monitor)));
  if (choice.by == Choice::By::age)
    rank_by_age(due);
  else if (!rank_by_score(due))
    return;
  add(Slot::kept, options_.filename);
}

bool EntryPolicy::rank_by_score(const std::string& due) {
  const std::int64_t k = choice_of(options_).count;
  const double score = boundary_.metrics.at(options_.monitor);
  std::vector<NamedState> best = entry_.names;  // without what a smaller top_k than before has no room for
  while (k > 0 && count_kept(best) > k) best.erase(best.begin() + static_cast<std::ptrdiff_t>(worst_kept(options_.mode, best)));
  if (k > 0 && count_kept(best) == k) {
    const double bar = key_of(options_.mode, best[worst_kept(options_.mode, best)].score);
    if (!is_better(options_.mode, key_of(options_.mode, score), bar)) {
      say(fmt::format("{}, but {} {:.6g} is not among the best {} (better than {:.6g})", due, options_.monitor, score, k, bar));
      return false;
    }
  }
  if (k > 0) give_up(beyond_best(options_.mode, entry_.names, k - 1));
  say(fmt::format("{}: {} {:.6g}, {}", due, options_.monitor, score, rule_of(options_)));
  return true;
}

void EntryPolicy::rank_by_age(const std::string& due) {
  say(fmt::format("{}: {}", due, rule_of(options_)));
  const std::int64_t limit = choice_of(options_).count;
  if (limit < 0) return;
  // The new state is the newest, and may be the best.
  const bool has_best = !options_.monitor.empty();
  const bool is_best = has_best && is_measured() && is_new_best();
  const NamedState* best = has_best && !is_best ? best_of(options_, entry_) : nullptr;
  give_up(beyond_newest(entry_.names, std::max<std::int64_t>(limit, best ? 2 : 1) - 1, best));
}

void EntryPolicy::save_final() {
  const bool has_nothing = options_.only_best && !best_of(options_, entry_);  // or a run without one finite value would leave nothing
  if (is_named() || !(options_.at_end || has_nothing)) return;
  std::erase_if(entry_.names, [&](const NamedState& named) {
    if (named.slot == Slot::final) decision_.removed.push_back(named.name);
    return named.slot == Slot::final;
  });
  say("the end of the run is kept all the same");
  add(Slot::final, options_.filename);
}

void EntryPolicy::save_interrupted() {
  const bool is_signal = boundary_.interruption == Interruption::signal;
  const bool is_wanted = is_signal ? options_.on_signal : boundary_.interruption == Interruption::exception && options_.on_exception;
  if (!is_wanted || is_named()) return;
  const Slot slot = is_signal ? Slot::signal : Slot::exception;
  std::erase_if(entry_.names, [&](const NamedState& named) {
    if (named.slot == slot) decision_.removed.push_back(named.name);
    return named.slot == slot;
  });
  say(is_signal ? "on_signal" : "on_exception");
  add(slot, is_signal ? options_.signal_filename : options_.exception_filename);
}

void EntryPolicy::save_last() {
  for (const NamedState& named : entry_.names)
    if (named.slot == Slot::last && named.state == state_) return;
  std::erase_if(entry_.names, [&](const NamedState& named) {
    if (named.slot == Slot::last) decision_.removed.push_back(named.name);
    return named.slot == Slot::last;
  });
  const NameFigures figures{boundary_.position.epoch, boundary_.position.step, boundary_.metrics};
  // A pointer of an earlier run is a pointer all the same.
  std::erase(entry_.foreign_names, NameTemplate(options_.last_filename, options_.auto_insert_metric_name).format(figures));
  add(Slot::last, options_.last_filename);
}

void EntryPolicy::add(Slot slot, const std::string& name_template) {
  const NameFigures figures{boundary_.position.epoch, boundary_.position.step, boundary_.metrics};
  const std::string plain = NameTemplate(name_template, options_.auto_insert_metric_name).format(figures);
  const auto is_given_up = [&](const std::string& name) {
    return std::find(decision_.removed.begin(), decision_.removed.end(), name) != decision_.removed.end();
  };
  const auto is_taken = [&](const std::string& name) {
    const auto is_name = [&](const NamedState& named) { return named.name == name; };
    const bool is_own = std::any_of(entry_.names.begin(), entry_.names.end(), is_name);
    return (is_own && !is_given_up(name)) ||
           std::find(entry_.foreign_names.begin(), entry_.foreign_names.end(), name) != entry_.foreign_names.end();
  };
  std::string name = plain;
  for (int version = 1; is_taken(name); ++version) name = fmt::format("{}-v{}", plain, version);
  std::erase_if(entry_.names, [&](const NamedState& named) { return named.name == name; });
  std::erase(decision_.removed, name);
  std::optional<double> score;
  if (slot == Slot::kept && boundary_.metrics.contains(options_.monitor)) score = boundary_.metrics.at(options_.monitor);
  entry_.names.push_back({.state = state_, .name = name, .slot = slot, .score = score});
  if (slot == Slot::kept && score) entry_.inherited_best.clear();
  decision_.names.push_back(name);
}

void EntryPolicy::give_up(const std::vector<CheckpointName>& states) {
  for (const CheckpointName& state : states) {
    const auto named = std::find_if(entry_.names.begin(), entry_.names.end(),
                                    [&](const NamedState& known) { return known.slot == Slot::kept && known.state == state; });
    decision_.removed.push_back(named->name);
    if (resumed_ && state == *resumed_) {
      named->slot = Slot::resumed;
      named->score.reset();
    } else {
      entry_.names.erase(named);
    }
  }
}

void EntryPolicy::say(const std::string& text) { decision_.why += (decision_.why.empty() ? "" : "; ") + text; }

}  // namespace holdfast
