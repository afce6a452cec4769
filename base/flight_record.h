// What a flight ring held, as pure data and as JSON (docs/gpus.md), and what the records of all ranks say together: who is behind.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "base/flight_ring.h"

namespace holdfast {

enum class OperationKind : std::uint32_t { all_reduce };

struct RecordedOperation {
  std::uint64_t sequence = 0;
  OperationKind kind = OperationKind::all_reduce;
  std::uint64_t bytes = 0;
  double queued_at = 0, started_at = 0, ended_at = 0;  // seconds since 1970; 0: not yet
  bool operator==(const RecordedOperation&) const = default;
};

/// How far a rank has come: the newest operation that was queued, has begun, has ended; 0: none.
struct FlightProgress {
  std::uint64_t queued = 0, started = 0, ended = 0;
  auto operator<=>(const FlightProgress&) const = default;
};

struct FlightRecord {
  int rank = -1;
  std::string reason;  // why it was written down
  FlightProgress progress;
  std::vector<RecordedOperation> operations;  // the newest, oldest first
  bool operator==(const FlightRecord&) const = default;
};

/// While others write: an operation that is just being replaced is left out.
FlightRecord read_ring(const FlightRing& ring, int rank, std::string reason);

nlohmann::json to_json(const FlightRecord& record);
/// Throws nlohmann::json::exception or std::invalid_argument.
FlightRecord flight_record_from_json(const nlohmann::json& json);

/// A reader sees the old file or the new one. Writes nothing where no operation was queued. A file that cannot be written is left out.
void write_device_record(const Path& path, const FlightRing& ring, int rank, const std::string& reason);

/// Who is behind, of ranks that all queue the same operations in the same order.
struct Laggards {
  std::vector<int> ranks;
  std::uint64_t sequence = 0;  // of the operation that they have not begun (or, where all have, not ended) and others have
  std::string text;            // "rank 1 has not begun operation 8 (all_reduce of 4194304 bytes), which rank 0 has"
};

/// Those that have begun the fewest operations; where all have begun equally many, those that have ended the fewest. nullopt: all have come
/// equally far, or there is but one record. Pure.
std::optional<Laggards> laggards(std::span<const FlightRecord> records);

/// Two ranks that mean different things by one number: their operations never meet. Empty: there are none. Pure.
std::string divergence(std::span<const FlightRecord> records);

}  // namespace holdfast
