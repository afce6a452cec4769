#include "base/section.h"

#include <array>
#include <stdexcept>
#include <string>

#include "base/heartbeat.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 11> kNames = {"setup",  "restore",    "data",   "forward",    "backward", "reduce",
                                                     "update", "checkpoint", "commit", "validation", "finish"};

}  // namespace

std::string_view name_of(Section section) { return kNames.at(static_cast<std::size_t>(section)); }

Section section_from(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<Section>(i);
  throw std::invalid_argument("unknown section '" + std::string(name) + "'");
}

void SectionTracker::enter(Section section, std::int64_t step) {
  section_ = section;
  step_ = step;
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
}

}  // namespace holdfast
