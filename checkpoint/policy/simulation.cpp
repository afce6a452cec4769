#include "checkpoint/policy/simulation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json_value.h"
#include "checkpoint/policy/simulated_disk.h"
#include "options/read.h"

namespace holdfast {
namespace {

using nlohmann::json;
using Kind = TraceEvent::Kind;

struct PolicyText {
  std::vector<CheckpointOptions> checkpoints;
  void describe(FieldVisitor& visitor) { visitor.list({.name = "checkpoints"}, checkpoints); }
};

json names_to_json(const NamedState* named) {
  if (named == nullptr) return nullptr;
  return {{"name", named->name}, {"state", directory_name(named->state)}, {"score", named->score ? number_to_json(*named->score) : json()}};
}

class Simulation {
 public:
  Simulation(std::vector<CheckpointOptions> policy, const ValidationOptions& validation, const std::vector<TraceEvent>& trace)
      : given_(std::move(policy)), validation_(validation), trace_(trace) {
    for (const TraceEvent& event : trace)
      for (const auto& [metric, value] : event.metrics) known_.insert(metric);
    for (const TraceEvent& event : trace) known_.insert(event.known_metrics.begin(), event.known_metrics.end());
  }

  json run() {
    if (trace_.empty() || trace_.front().kind != Kind::start) use_policy();
    for (const TraceEvent& event : trace_) take(event);
    close();
    json out = {{"events", std::move(records_)}, {"directories", json::object()}, {"entries", json::object()}};
    for (const auto& [name, disk] : disks_) out["directories"][name] = disk.to_json();
    for (const CheckpointOptions& options : policy_) out["entries"][options.name] = entry_to_json(options);
    return out;
  }

 private:
  SimulatedDisk& disk() { return disks_[directory_]; }

  void take(const TraceEvent& event) {
    if (event.kind == Kind::start || event.kind == Kind::resume || event.kind == Kind::remove) close();
    switch (event.kind) {
      case Kind::start: begin(event); break;
      case Kind::batch: take_batches(event); break;
      case Kind::epoch_end: touch(event), ++now_.epochs; break;
      case Kind::validation: take_validation(event); break;
      case Kind::time: now_.minutes += event.minutes; break;
      case Kind::signal: interrupt(event, Interruption::signal); break;
      case Kind::exception: interrupt(event, Interruption::exception); break;
      case Kind::train_end: end(event); break;
      case Kind::resume: resume(event); break;
      case Kind::remove:
        disk().remove(event);
        record(event, "remove", {}, {});
        break;
    }
  }

  void begin(const TraceEvent& event) {
    if (!event.directory.empty()) directory_ = event.directory;
    if (event.total_steps) total_steps_ = event.total_steps;
    updates_per_epoch_ = event.updates_per_epoch.value_or(0);
    use_policy();
  }

  /// Fractions, and the rules that a configuration is held against, for the run that begins here.
  void use_policy() {
    json text;
    text["checkpoints"] = json::array();
    for (const CheckpointOptions& entry : given_) text["checkpoints"].push_back(holdfast::to_json(entry));
    std::set<std::string> metrics = known_;
    for (const CheckpointOptions& entry : given_)
      if (!entry.monitor.empty()) metrics.insert(entry.monitor);  // that it is not measured shows at the first validation
    const OptionTree tree = OptionTree::from_text(text.dump(), "checkpoints");
    require_consistent(given_, tree);
    require_measured(given_, tree, {metrics.begin(), metrics.end()});
    policy_ = given_;
    note_measured_weights(policy_, validation_);
    for (const CheckpointOptions& entry : policy_)
      if (entry.every_steps && *entry.every_steps > 0 && *entry.every_steps < 1 && !total_steps_)
        throw ConfigError(ErrorText{.attempted = fmt::format("every_steps: {} of the entry {}", *entry.every_steps, entry.name),
                                    .expected = "`total_steps` in the trace's first line, which the fraction is of",
                                    .found = "none",
                                    .next = R"(begin the trace with {"event": "start", "total_steps": 1000})"});
    ValidationOptions validation = validation_;
    resolve_fractions(validation, policy_, total_steps_.value_or(1));
    const bool validates = validation.every_steps || validation.every_epochs;  // or the trace alone says when
    if (validates) require_measured_saves(validation, policy_, updates_per_epoch_);
  }

  void take_batches(const TraceEvent& event) {
    for (std::int64_t i = 0; i < event.count; ++i) {
      if (!is_accumulating_) close();
      touch(event);
      ++now_.batches;
      now_.steps += event.has_update ? 1 : 0;
      epoch_of_batch_ = now_.epochs;
      is_accumulating_ = event.is_accumulating;
      if (!is_accumulating_) savable_ = position();
      for (const auto& [metric, value] : event.metrics) metrics_[metric] = value;
    }
  }

  void take_validation(const TraceEvent& event) {
    if (event.is_sanity_check) return;
    touch(event);
    has_validated_ = true;
    for (const auto& [metric, value] : event.metrics) metrics_[metric] = value;
    for (const CheckpointOptions& entry : policy_) {
      if (entry.monitor.empty() || entry.top_k == 0 || known_.contains(entry.monitor)) continue;
      std::string measured;
      for (const auto& [metric, value] : event.metrics) measured += (measured.empty() ? "" : ", ") + metric;
      throw ConfigError(ErrorText{.attempted = fmt::format("{}: rank states by {} (entry {})", event.where, entry.monitor, entry.name),
                                  .expected = "a metric that the run measures",
                                  .found = measured.empty() ? "none" : measured,
                                  .next = "let `monitor` name one of them"});
    }
  }

  void interrupt(const TraceEvent& event, Interruption why) {
    touch(event);
    interruption_ = why;
    close();
  }

  void end(const TraceEvent& event) {
    touch(event);
    is_last_ = true;
    close();
  }

  Position position() const { return {.epoch = epoch_of_batch_, .batch = now_.batches, .step = now_.steps}; }

  void touch(const TraceEvent& event) {
    const std::string name = [&] {
      const json kinds = {"start", "batch", "epoch_end", "validation", "time", "signal", "exception", "train_end", "resume", "remove"};
      return kinds[static_cast<std::size_t>(event.kind)].get<std::string>();
    }();
    if (what_.empty() || !what_.ends_with(name)) what_ += (what_.empty() ? "" : ", ") + name;
    last_event_ = &event;
  }

  /// Decides on the boundary that ends here.
  void close() {
    if (last_event_ == nullptr) return;
    const bool is_lost = is_accumulating_ && interruption_ == Interruption::none && !is_last_;
    if (savable_.batch > 0 && !is_lost) decide_here();
    what_.clear();
    last_event_ = nullptr;
    before_ = now_;
    has_validated_ = is_last_ = is_accumulating_ = false;
    interruption_ = Interruption::none;
    metrics_.clear();
  }

  void decide_here() {
    const Boundary boundary{.position = savable_,
                            .step = {before_.steps, now_.steps, before_.epochs, now_.epochs, is_last_},
                            .has_validated = has_validated_,
                            .interruption = interruption_,
                            .metrics = metrics_,
                            .minutes = now_.minutes};
    const Decision decision = decide(policy_, state_, boundary);
    json made = json::array();
    for (const EntryDecision& entry : decision.entries)
      made.push_back({{"entry", entry.entry},
                      {"names", entry.names},
                      {"removed", entry.removed},
                      {"why", entry.why},
                      {"is_warning", entry.is_warning}});
    disk().apply(state_, decision, {now_, savable_});
    state_ = decision.next;
    if (!made.empty() || interruption_ != Interruption::none || is_last_ || has_validated_) record(*last_event_, what_, made, {});
  }

  void resume(const TraceEvent& event) {
    const SimulatedDisk::Resumed found = disk().find(event, state_, policy_);
    const std::string before = directory_;
    if (!event.directory.empty()) directory_ = event.directory;
    const bool is_same_run = directory_ == before && found.state;
    if (!event.policy.is_null()) {
      PolicyText text;
      read_options(OptionTree::from_text(json{{"checkpoints", event.policy}}.dump(), event.where), text);
      given_ = text.checkpoints;
    }
    if (event.total_steps) total_steps_ = event.total_steps;
    use_policy();
    std::vector<std::string> notes;
    std::optional<PolicyState> recorded;
    if (!found.is_start) recorded = found.recorded;
    state_ = disk().take_over(policy_, recorded, is_same_run ? found.state : std::nullopt, before, notes);
    now_ = before_ = found.counters;
    savable_ = found.position;
    epoch_of_batch_ = savable_.epoch;
    record(event, fmt::format("resume from {}", event.name), {}, notes);
  }

  void record(const TraceEvent& event, const std::string& what, const json& decisions, const std::vector<std::string>& notes) {
    records_.push_back({{"line", event.line},
                        {"event", what},
                        {"directory", directory_},
                        {"epoch", savable_.epoch},
                        {"batch", savable_.batch},
                        {"step", savable_.step},
                        {"decisions", decisions.is_null() ? json::array() : decisions},
                        {"notes", notes},
                        {"disk", disk().to_json()}});
  }

  json entry_to_json(const CheckpointOptions& options) const {
    json out = {{"best", nullptr}, {"kth", nullptr}, {"last", nullptr}, {"kept", json::array()}};
    for (const EntryState& entry : state_.entries) {
      if (entry.entry != options.name) continue;
      out["best"] = names_to_json(best_of(options, entry));
      if (out["best"].is_null() && !entry.inherited_best.empty()) out["best"] = {{"name", entry.inherited_best}, {"score", nullptr}};
      // Lightning's word for the newest, where nothing is ranked.
      for (const NamedState& named : entry.names)
        if (options.monitor.empty() && options.top_k && named.slot == Slot::kept) out["best"] = names_to_json(&named);
      out["kth"] = names_to_json(kth_of(options, entry));
      for (const NamedState& named : entry.names) {
        if (named.slot == Slot::last) out["last"] = names_to_json(&named);
        if (named.slot == Slot::kept) out["kept"].push_back(names_to_json(&named));
      }
    }
    return out;
  }

  std::vector<CheckpointOptions> given_, policy_;  // as written; with fractions made steps
  ValidationOptions validation_;
  const std::vector<TraceEvent>& trace_;
  std::set<std::string> known_ = {"epoch", "step"};  // metrics
  std::optional<std::int64_t> total_steps_;
  std::int64_t updates_per_epoch_ = 0;  // 0: unknown
  std::string directory_ = "run";
  std::map<std::string, SimulatedDisk> disks_;
  PolicyState state_;
  json records_ = json::array();

  SimulatedCounters now_, before_;  // here, and at the boundary before
  Position savable_;                // of the newest state that could be saved
  std::int64_t epoch_of_batch_ = 0;
  bool is_accumulating_ = false, has_validated_ = false, is_last_ = false;
  Interruption interruption_ = Interruption::none;
  std::map<std::string, double> metrics_;
  std::string what_;
  const TraceEvent* last_event_ = nullptr;
};

}  // namespace

json simulate(const std::vector<CheckpointOptions>& policy, const ValidationOptions& validation, const std::vector<TraceEvent>& trace) {
  return Simulation(policy, validation, trace).run();
}

}  // namespace holdfast
