// The status message of a shim, its word: what the heartbeat says of its rank, as JSON.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/heartbeat.h"
#include "base/time_record.h"

namespace holdfast {

/// {"status": …}, and beside it "times" and "host", once the rank has begun.
nlohmann::json status_word(const HeartbeatBlock& block, const std::optional<TimeRecord>& times, const std::string& host);

}  // namespace holdfast
