// `holdfast ckpt list`: the checkpoints of a run, what was measured of each, what keeps it, and whether it was verified.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/commands/checkpoint/arguments.h"
#include "apps/commands/checkpoint/commands.h"
#include "apps/commands/checkpoint/targets.h"
#include "apps/commands/checkpoint/verdicts.h"
#include "base/clock.h"
#include "base/host.h"
#include "base/json_value.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/verify.h"
#include "checkpoint/store/inventory.h"
#include "options/metric_name.h"

namespace holdfast {
namespace {

using nlohmann::json;

/// Of "2026-11-23T12:46:22.055Z"; none for anything else.
std::optional<double> unix_seconds_of(const std::string& utc) {
  std::tm time{};
  double seconds = 0;
  if (std::sscanf(utc.c_str(), "%d-%d-%dT%d:%d:%lfZ", &time.tm_year, &time.tm_mon, &time.tm_mday, &time.tm_hour, &time.tm_min, &seconds) !=
      6)
    return std::nullopt;
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return static_cast<double>(::timegm(&time)) + seconds;
}

std::string duration_text(double seconds) {
  seconds = std::max(seconds, 0.0);
  constexpr double kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  if (seconds < 2 * kMinute) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * kHour) return fmt::format("{:.0f} min", seconds / kMinute);
  return seconds < 2 * kDay ? fmt::format("{:.0f} h", seconds / kHour) : fmt::format("{:.0f} d", seconds / kDay);
}

/// "val_loss", or "val_loss of ema" where an average was measured.
std::string metric_name(const std::string& metric, const std::string& weights) {
  return weights.empty() ? metric : fmt::format("{} of {}", metric, weights);
}

/// What was measured at the state: its validation, and what entries rank it by.
json metrics_of(const Manifest& manifest, const std::vector<Hold>& holds) {
  json metrics = json::object();
  for (const json& validation : manifest.state.value("validations", json::array()))
    if (validation.value("step", std::int64_t{-1}) == manifest.global_step && validation.contains("metrics"))
      for (const auto& [name, value] : validation.at("metrics").items())
        metrics[metric_name(kValidationPrefix + name, validation.value("weights", ""))] = value;
  for (const Hold& hold : holds)
    if (hold.score && !hold.metric.empty()) metrics[metric_name(hold.metric, hold.weights)] = number_to_json(*hold.score);
  return metrics;
}

/// The epoch of its last batch, counted from 0: its own record of what the policy had decided has it.
json epoch_of(const Manifest& manifest) {
  if (!manifest.retention.is_object() || !manifest.retention.contains("position")) return {};
  return manifest.retention["position"].value("epoch", json());
}

json hold_to_json(const Hold& hold) {
  json row = {{"why", name_of(hold.kind)}};
  if (hold.kind == Hold::Kind::entry)
    row.update({{"name", hold.name}, {"slot", name_of(hold.slot)}, {"score", hold.score ? number_to_json(*hold.score) : json()}});
  return row;
}

json verified_to_json(const std::optional<Verdict>& verdict) {
  if (!verdict) return {};
  return {{"result", verdict->is_sound ? "sound" : "damaged"}, {"at", utc_time(verdict->unix_seconds)}, {"finding", verdict->finding}};
}

/// `is_kept_known`: else what keeps it is null.
json state_to_json(const StoredState& state, bool is_kept_known, const std::optional<Verdict>& verdict, double now) {
  json row = {{"path", state.path.string()}, {"verified", verified_to_json(verdict)}, {"kept_by", is_kept_known ? json::array() : json()}};
  if (is_kept_known)
    for (const Hold& hold : state.holds) row["kept_by"].push_back(hold_to_json(hold));
  if (!state.error.empty()) row["error"] = state.error;
  if (!state.manifest) return row;
  const Manifest& manifest = *state.manifest;
  const auto created = unix_seconds_of(manifest.created);
  row.update({{"step", manifest.global_step},
              {"version", manifest.version},
              {"epoch", epoch_of(manifest)},
              {"role", manifest.role},
              {"world_size", manifest.world_size},
              {"attempt", manifest.attempt},
              {"bytes", state.bytes},
              {"transformed", manifest.transformed},
              {"created", manifest.created},
              {"age_seconds", created ? json(now - *created) : json()},
              {"metrics", metrics_of(manifest, state.holds)},
              {"entries", manifest.entries},
              {"parameter_hash", to_hex(state_hash(manifest, kModelPrefix))}});
  return row;
}

bool is_of_a_run(const Targets& targets) { return RunLayout{targets.directory.parent_path()}.checkpoints() == targets.directory; }

/// The states that `path` means, as one inventory. What keeps a single checkpoint only the others around it tell; nobody does of a copy
/// that lies elsewhere.
Inventory inventory_of(FileSystem& files, const Targets& targets) {
  if (targets.is_whole_directory) {
    Inventory inventory = take_inventory(files, targets.directory);
    if (is_set_aside(targets.directory.filename().string()))
      for (StoredState& state : inventory.states) state.holds.clear();
    return inventory;
  }
  if (is_of_a_run(targets)) {
    Inventory inventory = take_inventory(files, targets.directory);
    std::erase_if(inventory.states, [&](const StoredState& state) { return state.path != targets.checkpoints.front(); });
    if (!inventory.states.empty()) return inventory;
  }
  StoredState state = read_state(files, targets.checkpoints.front());
  if (!state.error.empty() && !is_there(files, state.path)) throw_gone(state.path);
  return {.checkpoints = targets.directory, .states = {std::move(state)}, .decided = {}, .source = {}};
}

std::string metric_text(const json& value) {
  return value.is_number() ? fmt::format("{:.6g}", value.get<double>()) : value.is_string() ? value.get<std::string>() : value.dump();
}

std::string metrics_text(const json& metrics) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : metrics.items()) parts.push_back(fmt::format("{} {}", name, metric_text(value)));
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string verified_text(const std::optional<Verdict>& verdict, double now) {
  return verdict ? fmt::format("{} {} ago", verdict->is_sound ? "sound" : "DAMAGED", duration_text(now - verdict->unix_seconds)) : "-";
}

using Row = std::vector<std::string>;

Row text_row(const StoredState& state, const json& facts, const std::optional<Verdict>& verdict, double now) {
  std::vector<std::string> holds;
  if (facts["kept_by"].is_null()) holds.emplace_back("(not in the checkpoints/ of a run)");
  for (const Hold& hold : state.holds) holds.push_back(describe(hold));
  const json& age = facts["age_seconds"];
  const CheckpointName& name = state.name;
  return {name.version == 0 ? std::to_string(name.step) : fmt::format("{}.{}", name.step, name.version),
          facts["epoch"].is_null() ? "-" : facts["epoch"].dump(),
          state.manifest->role,
          std::to_string(state.manifest->world_size),
          facts["bytes"].dump(),
          age.is_null() ? "-" : duration_text(age.get<double>()),
          verified_text(verdict, now),
          metrics_text(facts["metrics"]),
          holds.empty() ? "-" : fmt::format("{}", fmt::join(holds, ", "))};
}

void print_table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  constexpr std::size_t kFirstText = 6;  // numbers are set to the right
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += i + 1 == row.size()        ? row[i]
              : i < kFirstText && i != 2 ? fmt::format("{:>{}}  ", row[i], widths[i])
                                         : fmt::format("{:<{}}  ", row[i], widths[i]);
    fmt::print("{}\n", line);
  }
}

}  // namespace

int list_checkpoints_command(const Words& words) {
  boost::program_options::options_description options;
  options.add_options()("json", "");
  const CheckpointArguments arguments("list", words, 1, options);
  const auto files = make_posix_file_system();
  const Targets targets = checkpoints_of(*files, arguments.path());
  const bool is_kept_known = targets.is_whole_directory || is_of_a_run(targets);
  const Inventory inventory = inventory_of(*files, targets);
  const Verdicts verdicts(*files, inventory.checkpoints);
  const double now = SystemClock().unix_seconds();
  json all = json::array();
  std::vector<Row> rows = {{"step", "epoch", "role", "ranks", "bytes", "age", "verified", "metrics", "kept by"}};
  std::vector<std::string> unreadable;
  for (const StoredState& state : inventory.states) {
    const std::optional<Verdict> verdict = verdicts.find(state.path);
    all.push_back(state_to_json(state, is_kept_known, verdict, now));
    if (state.manifest) rows.push_back(text_row(state, all.back(), verdict, now));
    if (!state.error.empty()) unreadable.push_back(fmt::format("{}: {}", state.path.string(), state.error));
  }
  if (arguments.has("json")) {
    fmt::print("{}\n", all.dump(2));
    return kExitOk;
  }
  print_table(rows);
  for (const std::string& line : unreadable) fmt::print("cannot be read: {}\n", line);
  return kExitOk;
}

}  // namespace holdfast
