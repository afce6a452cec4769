#include "launch/watch/hang_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/same_texts.h"

namespace holdfast {
namespace {

constexpr double kDeafSeconds = 1;  // of a rank whose shim says nothing for longer nothing is known: its lease runs out

std::uint64_t completed(const RankPulse& pulse) { return pulse.collectives - (pulse.is_inside_collective ? 1 : 0); }

}  // namespace

std::string describe(const Hang& hang) {
  const Hang::Culprit& first = hang.culprits.front();
  std::string text = first.has_joined ? fmt::format("no sign of life for {:.1f} s", first.silent_seconds)
                                      : fmt::format("it has not started within {:.1f} s", first.silent_seconds);
  text += fmt::format(" (deadline {:.1f} s)", hang.deadline_seconds);
  if (first.has_joined && !first.pulse.is_inside_collective) text += ", outside any collective";
  if (first.pulse.is_inside_collective)
    text += fmt::format(", inside collective {}{}", first.pulse.collectives, hang.waiters.empty() ? ", as every other" : "");
  if (!hang.waiters.empty())
    text += fmt::format("; {} wait{} for {}", numbered("rank", hang.waiters), hang.waiters.size() == 1 ? "s" : "",
                        hang.culprits.size() == 1 ? "it" : "them");
  return text;
}

nlohmann::json to_json(const Hang& hang) {
  nlohmann::json culprits = nlohmann::json::array();
  for (const Hang::Culprit& culprit : hang.culprits)
    culprits.push_back({{"rank", culprit.rank},
                        {"host", culprit.host},
                        {"section", name_of(culprit.pulse.section)},
                        {"step", culprit.pulse.step},
                        {"global_step", culprit.pulse.global_step},
                        {"collectives", culprit.pulse.collectives},
                        {"is_inside_collective", culprit.pulse.is_inside_collective},
                        {"has_joined", culprit.has_joined},
                        {"silent_seconds", culprit.silent_seconds}});
  return {{"culprits", std::move(culprits)}, {"waiters", hang.waiters}, {"deadline_seconds", hang.deadline_seconds}};
}

void HangWatch::begin(int world_size, double now) {
  world_size_ = world_size;
  if (!std::exchange(has_hung_, false)) hangs_.fill(0);
  lives_.clear();
  for (int rank = 0; rank < world_size_; ++rank) lives_[rank].blamed_since = now;
}

HangWatch::Kind HangWatch::kind_of(Section section) {
  switch (section) {
    case Section::setup:
    case Section::finish: return Kind::setup;
    case Section::restore: return Kind::restore;
    case Section::data: return Kind::data;
    case Section::forward:
    case Section::backward:
    case Section::reduce:
    case Section::update: return Kind::step;
    case Section::validation: return Kind::validation;
    case Section::checkpoint:
    case Section::commit: return Kind::checkpoint;
  }
  return Kind::setup;
}

HangWatch::Kind HangWatch::kind_of(const Life& life) const {
  const Kind kind = kind_of(life.pulse.section);
  return (kind == Kind::step || kind == Kind::data) && !life.has_stepped ? Kind::setup : kind;
}

double HangWatch::floor_of(Kind kind) const {
  switch (kind) {
    case Kind::setup: return options_.setup_seconds;
    case Kind::restore: return options_.restore_seconds;
    case Kind::data: return options_.data_seconds;
    case Kind::step: return options_.step_seconds;
    case Kind::checkpoint: return options_.checkpoint_seconds;
    case Kind::validation: return options_.validation_seconds;
  }
  return options_.setup_seconds;
}

double HangWatch::deadline_of(const Life& life) const {
  const Kind kind = kind_of(life);
  const auto index = static_cast<std::size_t>(kind);
  return std::max(floor_of(kind), options_.factor * longest_[index]) * std::pow(2.0, hangs_[index]);
}

void HangWatch::take(int rank, const RankPulse& pulse, double now) {
  const auto found = lives_.find(rank);
  if (found == lives_.end()) return;
  Life& life = found->second;
  life.heard_at = now;
  if (life.has_joined && life.pulse.beats == pulse.beats) return;
  const auto kind = static_cast<std::size_t>(kind_of(life));
  if (life.has_joined && life.blamed_since) longest_[kind] = std::max(longest_[kind], now - *life.blamed_since);
  if (!life.has_joined) life.first_global_step = pulse.global_step;
  life.has_joined = true;
  life.pulse = pulse;
  // What it restores counts as a step only once it makes another.
  if (pulse.section == Section::setup || pulse.section == Section::restore) life.first_global_step = pulse.global_step;
  life.has_stepped = life.has_stepped || pulse.global_step > life.first_global_step + 1;
  life.blamed_since.reset();
}

void HangWatch::ended(int rank) { lives_.erase(rank); }

void HangWatch::blame(double now) {
  std::uint64_t fewest = std::numeric_limits<std::uint64_t>::max();
  bool is_any_outside = false;
  for (const auto& [rank, life] : lives_) fewest = std::min(fewest, completed(life.pulse));
  for (const auto& [rank, life] : lives_)
    is_any_outside = is_any_outside || (completed(life.pulse) == fewest && !life.pulse.is_inside_collective);
  for (auto& [rank, life] : lives_) {
    const bool is_blamed = completed(life.pulse) == fewest && life.pulse.is_inside_collective != is_any_outside;
    if (!is_blamed) life.blamed_since.reset();
    if (is_blamed && !life.blamed_since) life.blamed_since = now;
  }
}

void HangWatch::forgive(double now) {
  for (auto& [rank, life] : lives_)
    if (life.blamed_since) life.blamed_since = now;
}

std::optional<Hang> HangWatch::check(double now) {
  blame(now);
  Hang hang;
  for (const auto& [rank, life] : lives_) {
    const double silent = life.blamed_since ? now - *life.blamed_since : 0;
    if (!life.blamed_since)
      hang.waiters.push_back(rank);
    else if (silent > deadline_of(life) && (!life.has_joined || now - life.heard_at < kDeafSeconds)) {
      if (hang.culprits.empty()) hang.deadline_seconds = deadline_of(life);
      hang.culprits.push_back({.rank = rank, .pulse = life.pulse, .has_joined = life.has_joined, .silent_seconds = silent});
    }
  }
  if (!options_.detect || hang.culprits.empty()) return std::nullopt;
  has_hung_ = true;
  ++hangs_[static_cast<std::size_t>(kind_of(lives_.at(hang.culprits.front().rank)))];
  return hang;
}

}  // namespace holdfast
