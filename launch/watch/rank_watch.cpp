#include "launch/watch/rank_watch.h"

#include <stdexcept>

#include "base/section.h"

namespace holdfast {
namespace {

constexpr double kStallSeconds = 1;  // twenty ticks: the caller was not running in between

Section section_of(const std::string& name) try { return section_from(name); } catch (const std::invalid_argument& error) {
  throw nlohmann::json::other_error::create(501, error.what(), nullptr);  // rubbish, like the rest of what Leases refuses
}

RankPulse pulse_from(const nlohmann::json& status) {
  return {.section = section_of(status.at("section").get<std::string>()),
          .step = status.at("step"),
          .global_step = status.at("global_step"),
          .beats = status.at("beats"),
          .collectives = status.at("collectives"),
          .is_inside_collective = status.at("is_inside_collective")};
}

}  // namespace

void RankWatch::begin(int ranks, double now) {
  has_hung_ = false;
  reached_step_ = 0;
  hangs_.begin(ranks, now);
  stragglers_.begin(ranks);
}

void RankWatch::take_status(int rank, const nlohmann::json& status, double now) {
  reached_step_ = std::max(reached_step_, status.value("global_step", std::int64_t{0}));
  hangs_.take(rank, pulse_from(status), now);
}

std::vector<StragglerFinding> RankWatch::take_times(int rank, const nlohmann::json& message, double now) {
  const std::optional<TimeRecord> times = time_record_from_json(message.at("times"));
  if (!times) return {};
  times_.heard(rank, message.value("host", ""), *times, now);
  return stragglers_.on(rank, times->completed_step, times->busy_seconds, now);
}

void RankWatch::take_end(const ExitRecord& record, double now) {
  reached_step_ = std::max(reached_step_, record.global_step);
  hangs_.ended(record.rank);
  times_.ended(record.rank, now);
}

void RankWatch::awake(double now) {
  if (awake_at_ && now - *awake_at_ > kStallSeconds) hangs_.forgive(now);
  awake_at_ = now;
}

std::optional<Hang> RankWatch::check(double now) {
  if (has_hung_) return std::nullopt;
  std::optional<Hang> hang = hangs_.check(now);
  has_hung_ = hang.has_value();
  return hang;
}

}  // namespace holdfast
