#include "launch/shim/device_records.h"

#include <filesystem>
#include <set>
#include <vector>

#include "base/flight_record.h"
#include "base/text_file.h"

namespace holdfast {

std::string who_is_behind(const RunLayout& layout, int attempt, int world_size) {
  // One look at the directory: ranks on CPUs leave none, and to ask for thousands of files takes a network file system long.
  std::set<std::string> there;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(layout.attempt_logs(attempt), failed), end; !failed && entry != end;
       entry.increment(failed))
    there.insert(entry->path().filename());
  std::vector<FlightRecord> records;
  for (int rank = 0; rank < world_size; ++rank) {
    const Path path = layout.operations(attempt, rank);
    if (!there.contains(path.filename())) continue;
    try {
      records.push_back(flight_record_from_json(nlohmann::json::parse(text_of_file(path))));
    } catch (const std::exception&) {
    }
  }
  if (std::string diverged = divergence(records); !diverged.empty()) return diverged;
  const std::optional<Laggards> found = laggards(records);
  return found ? found->text : "";
}

}  // namespace holdfast
