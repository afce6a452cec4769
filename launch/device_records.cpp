#include "launch/device_records.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/flight_record.h"

namespace holdfast {

void write_device_record(const Path& path, const FlightRing& ring, int rank, const std::string& reason) {
  if (ring.queued == 0) return;
  const Path unfinished = path.string() + ".tmp";
  std::ofstream(unfinished) << to_json(read_ring(ring, rank, reason)).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  std::error_code failed;
  std::filesystem::rename(unfinished, path, failed);
}

std::string who_is_behind(const RunLayout& layout, int attempt, int world_size) {
  std::vector<FlightRecord> records;
  for (int rank = 0; rank < world_size; ++rank) {
    std::ifstream file(layout.operations(attempt, rank));
    if (!file) continue;
    try {
      records.push_back(flight_record_from_json(nlohmann::json::parse(std::string(std::istreambuf_iterator<char>(file), {}))));
    } catch (const std::exception&) {
    }
  }
  if (std::string diverged = divergence(records); !diverged.empty()) return diverged;
  const std::optional<Laggards> found = laggards(records);
  return found ? found->text : "";
}

}  // namespace holdfast
