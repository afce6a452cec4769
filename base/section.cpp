#include "base/section.h"

#include <array>
#include <stdexcept>
#include <string>

#include "base/heartbeat.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 11> kNames = {"setup",  "restore",    "data",   "forward",    "backward", "reduce",
                                                     "update", "checkpoint", "commit", "validation", "finish"};

/// Saves are booked by a charge: what follows them in the same section is part of a step.
TimeCause cause_in(Section section, bool is_inside_collective) {
  switch (section) {
    case Section::setup: return TimeCause::startup;
    case Section::restore: return TimeCause::restore;
    case Section::validation: return TimeCause::validation;
    case Section::finish: return TimeCause::finish;
    default: break;
  }
  if (is_inside_collective) return TimeCause::collectives;
  return section == Section::data ? TimeCause::data : TimeCause::steps;
}

}  // namespace

std::string_view name_of(Section section) { return kNames.at(static_cast<std::size_t>(section)); }

Section section_from(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<Section>(i);
  throw std::invalid_argument("unknown section '" + std::string(name) + "'");
}

SectionTracker::SectionTracker(Heartbeat* heartbeat, const Clock* clock)
    : times_(heartbeat ? heartbeat->block().times : own_times_), ledger_(clock ? *clock : system_clock_, times_), heartbeat_(heartbeat) {}

void SectionTracker::book() {
  const TimeCause cause = cause_in(section_, is_inside_collective_);
  ledger_.switch_to(has_charge_ ? charge_ : step_ <= recompute_until_ ? recomputed(cause) : cause);
}

SectionTracker::Charge::Charge(SectionTracker& sections, TimeCause cause)
    : sections_(sections), had_charge_(sections.has_charge_), before_(sections.charge_) {
  sections_.has_charge_ = true;
  sections_.charge_ = cause;
  sections_.book();
}

SectionTracker::Charge::~Charge() {
  sections_.has_charge_ = had_charge_;
  sections_.charge_ = before_;
  sections_.book();
}

void SectionTracker::enter(Section section, std::int64_t step) {
  section_ = section;
  step_ = step;
  book();
  if (heartbeat_) heartbeat_->enter(section, step);
}

void SectionTracker::point() { point_in(section_, step_); }

void SectionTracker::point_in(Section section, std::int64_t step) const {
  for (const auto& hook : hooks_) hook(section, step);
}

void SectionTracker::saving(std::int64_t step) {
  if (heartbeat_) heartbeat_->block().saving_step = step;
}

void SectionTracker::collective(bool is_inside) {
  if (heartbeat_) heartbeat_->collective(is_inside);
  if (std::this_thread::get_id() != training_thread_) return;
  is_inside_collective_ = is_inside;
  book();
}

}  // namespace holdfast
