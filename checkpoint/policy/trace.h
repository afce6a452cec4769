// A made-up run, one JSON object a line: what `holdfast ckpt simulate` holds a policy against. docs/retention.md is the written
// form. Reading only; simulation.h gives it a meaning.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast {

struct TraceEvent {
  enum class Kind { start, batch, epoch_end, validation, time, signal, exception, train_end, resume, remove };
  Kind kind = Kind::batch;
  std::string where;  // "trace.jsonl:12", for messages
  std::int64_t line = 0;

  std::int64_t count = 1;                         // batch: so many alike
  bool has_update = true;                         // batch: an optimizer made a step
  bool is_accumulating = false;                   // batch: the group goes on, no state can be saved after it
  bool is_sanity_check = false;                   // validation: before training; nothing follows from it
  std::map<std::string, double> metrics;          // batch, validation
  double minutes = 0;                             // time: of training that pass
  std::string directory;                          // start, resume: the run directory; empty: the same
  std::optional<std::int64_t> total_steps;        // start, resume: the updates of the whole run, which fractions are of
  std::optional<std::int64_t> updates_per_epoch;  // start
  std::set<std::string> known_metrics;            // start: measured by the run, though perhaps not in this trace
  std::string name;                               // resume: from what; remove: ENTRY/NAME
  nlohmann::json policy;                          // resume: `checkpoints` from here on; null: as before
};

/// `file`: for messages. Throws ConfigError that names the line: no JSON, an unknown event or key, a wrong type.
std::vector<TraceEvent> read_trace(const std::string& text, const std::string& file);

}  // namespace holdfast
