#include "base/flight_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <system_error>

#include "base/json_value.h"
#include "base/same_texts.h"

namespace holdfast {

using nlohmann::json;

namespace {

constexpr std::pair<OperationKind, const char*> kKinds[] = {{OperationKind::all_reduce, "all_reduce"}};

const char* name_of(OperationKind kind) {
  for (const auto& [known, name] : kKinds)
    if (known == kind) return name;
  return "unknown";
}

OperationKind kind_from(const std::string& text) {
  for (const auto& [kind, name] : kKinds)
    if (name == text) return kind;
  throw std::invalid_argument("an operation of an unknown kind: " + text);
}

std::string text_of(const RecordedOperation& operation) { return fmt::format("{} of {} bytes", name_of(operation.kind), operation.bytes); }

/// What any rank has recorded of operation `sequence`.
std::string description_of(std::span<const FlightRecord> records, std::uint64_t sequence) {
  for (const FlightRecord& record : records)
    for (const RecordedOperation& operation : record.operations)
      if (operation.sequence == sequence) return fmt::format("operation {} ({})", sequence, text_of(operation));
  return fmt::format("operation {}", sequence);
}

}  // namespace

FlightRecord read_ring(const FlightRing& ring, int rank, std::string reason) {
  FlightRecord record{.rank = rank, .reason = std::move(reason), .progress = {ring.queued, ring.started, ring.ended}};
  for (const FlightSlot& slot : ring.slots) {
    const std::uint64_t sequence = slot.sequence.load(std::memory_order_acquire);
    if (sequence == 0) continue;
    const RecordedOperation operation{.sequence = sequence,
                                      .kind = static_cast<OperationKind>(slot.kind.load()),
                                      .bytes = slot.bytes,
                                      .queued_at = slot.queued_at,
                                      .started_at = slot.started_at,
                                      .ended_at = slot.ended_at};
    if (slot.sequence.load(std::memory_order_acquire) == sequence) record.operations.push_back(operation);
  }
  std::sort(record.operations.begin(), record.operations.end(), [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
  return record;
}

json to_json(const FlightRecord& record) {
  json operations = json::array();
  const auto moment = [](double at) { return at > 0 ? json(at) : json(); };
  for (const RecordedOperation& operation : record.operations)
    operations.push_back({{"sequence", operation.sequence},
                          {"operation", name_of(operation.kind)},
                          {"bytes", operation.bytes},
                          {"queued_at", moment(operation.queued_at)},
                          {"started_at", moment(operation.started_at)},
                          {"ended_at", moment(operation.ended_at)}});
  return {{"rank", record.rank},
          {"reason", record.reason},
          {"queued", record.progress.queued},
          {"started", record.progress.started},
          {"ended", record.progress.ended},
          {"operations", std::move(operations)}};
}

FlightRecord flight_record_from_json(const json& stored) {
  const auto number = [](const json& value) { return integer_from_json<std::uint64_t>(value); };
  const auto moment = [](const json& value) { return value.is_null() ? 0.0 : value.get<double>(); };
  FlightRecord record{.rank = integer_from_json<int>(stored.at("rank")),
                      .reason = stored.at("reason"),
                      .progress = {number(stored.at("queued")), number(stored.at("started")), number(stored.at("ended"))}};
  for (const json& one : list_from_json(stored.at("operations")))
    record.operations.push_back({.sequence = number(one.at("sequence")),
                                 .kind = kind_from(one.at("operation")),
                                 .bytes = number(one.at("bytes")),
                                 .queued_at = moment(one.at("queued_at")),
                                 .started_at = moment(one.at("started_at")),
                                 .ended_at = moment(one.at("ended_at"))});
  return record;
}

void write_device_record(const Path& path, const FlightRing& ring, int rank, const std::string& reason) {
  if (ring.queued == 0) return;
  const Path unfinished = path.string() + ".tmp";
  std::ofstream(unfinished) << to_json(read_ring(ring, rank, reason)).dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  std::error_code failed;
  std::filesystem::rename(unfinished, path, failed);
}

std::optional<Laggards> laggards(std::span<const FlightRecord> records) {
  if (records.size() < 2) return std::nullopt;
  // Not by what was queued: a rank runs ahead of its device, and one whose device is stuck may have queued as much as the others.
  const auto begun = [](const FlightRecord& record) { return record.progress.started; };
  const auto ended = [](const FlightRecord& record) { return record.progress.ended; };
  for (const auto& [progress, verb] : {std::pair(+begun, "begun"), std::pair(+ended, "ended")}) {
    std::uint64_t fewest = progress(records[0]), most = fewest;
    for (const FlightRecord& record : records) {
      fewest = std::min(fewest, progress(record));
      most = std::max(most, progress(record));
    }
    if (fewest == most) continue;
    Laggards found{.ranks = {}, .sequence = fewest + 1, .text = {}};
    std::vector<int> others;
    for (const FlightRecord& record : records) (progress(record) == fewest ? found.ranks : others).push_back(record.rank);
    std::sort(found.ranks.begin(), found.ranks.end());
    std::sort(others.begin(), others.end());
    found.text = fmt::format("{} {} not {} {}, which {} {}", numbered("rank", found.ranks), found.ranks.size() == 1 ? "has" : "have", verb,
                             description_of(records, found.sequence), numbered("rank", others), others.size() == 1 ? "has" : "have");
    return found;
  }
  return std::nullopt;
}

std::string divergence(std::span<const FlightRecord> records) {
  std::map<std::uint64_t, std::pair<int, RecordedOperation>> first;
  for (const FlightRecord& record : records)
    for (const RecordedOperation& operation : record.operations) {
      const auto& [rank, known] = first.try_emplace(operation.sequence, record.rank, operation).first->second;
      if (known.kind != operation.kind || known.bytes != operation.bytes)
        return fmt::format("operation {} is {} on rank {}, and {} on rank {}", operation.sequence, text_of(known), rank, text_of(operation),
                           record.rank);
    }
  return {};
}

}  // namespace holdfast
