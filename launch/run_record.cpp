#include "launch/run_record.h"

#include <fstream>

#include "base/error.h"
#include "base/injection.h"
#include "base/text_file.h"

namespace holdfast {

void RunRecord::begin_attempt(int attempt) {
  attempt_ = attempt;
  done_before_ = done();
  const std::size_t fired = fired_faults().size();
  for (std::size_t line = 0; line < fired; ++line) faults_seen_.insert(line);
}

std::int64_t RunRecord::durable_step() const {
  const std::vector<CheckpointName> names = list_checkpoints(files_, layout_.checkpoints());
  return names.empty() ? -1 : names.back().step;
}

nlohmann::json RunRecord::done() const {
  auto json = nlohmann::json::parse(text_of_file(layout_.done()), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : nlohmann::json::object();
}

bool RunRecord::is_done() const {
  const nlohmann::json now = done();
  return now != done_before_ && now.value("attempt", 0) == attempt_;
}

nlohmann::json RunRecord::take_injected_fault(int rank) {
  const std::vector<std::string> fired = fired_faults();
  for (std::size_t line = 0; line < fired.size(); ++line) try {
      const Injection fault = parse_injection(fired[line]);
      if (fault.rank == rank && faults_seen_.insert(line).second && !fault.seconds) return fired[line];  // a stall that is over ends nobody
    } catch (const UsageError&) {
      continue;  // a torn line: the disk was full
    }
  return nullptr;
}

std::vector<std::string> RunRecord::fired_faults() const {
  std::ifstream file(layout_.injected());
  std::vector<std::string> fired;
  for (std::string line; std::getline(file, line);) fired.push_back(line);
  return fired;
}

}  // namespace holdfast
