#include "base/section.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "base/heartbeat.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Section, NamesComeBackAsTheSections) {
  int count = 0;
  for (const char* name :
       {"setup", "restore", "data", "forward", "backward", "reduce", "update", "checkpoint", "commit", "validation", "finish"}) {
    EXPECT_EQ(section_from(name), static_cast<Section>(count)) << name;
    EXPECT_EQ(name_of(static_cast<Section>(count)), name);
    ++count;
  }
  EXPECT_EQ(static_cast<int>(Section::finish) + 1, count) << "a section without a name";
}

TEST(Section, UnknownNamesAreRefused) {
  for (const char* name : {"", "Data", "backwards", "setup "}) EXPECT_THROW(section_from(name), std::invalid_argument) << name;
  EXPECT_THROW(name_of(static_cast<Section>(11)), std::out_of_range);
}

TEST(SectionTracker, CallsEveryHookAtEveryPointAndNowhereElse) {
  SectionTracker sections(nullptr);
  std::vector<std::string> seen;
  for (const char* who : {"a", "b"})
    sections.on_point([&seen, who](Section section, std::int64_t step) {
      seen.push_back(std::string(who) + " " + std::string(name_of(section)) + " " + std::to_string(step));
    });
  sections.enter(Section::forward, 7);
  sections.collective(true);
  EXPECT_THAT(seen, IsEmpty());
  sections.point();
  EXPECT_THAT(seen, ElementsAre("a forward 7", "b forward 7"));
}

TEST(SectionTracker, TellsTheHeartbeatWhereItIs) {
  const auto heartbeat = Heartbeat::create();
  SectionTracker sections(heartbeat.get());
  EXPECT_EQ(sections.section(), Section::setup);
  sections.enter(Section::reduce, 12);
  sections.collective(true);
  EXPECT_EQ(heartbeat->block().section, static_cast<std::uint32_t>(Section::reduce));
  EXPECT_EQ(heartbeat->block().step, 12);
  EXPECT_EQ(heartbeat->block().is_inside_collective, 1u);
  EXPECT_EQ(sections.section(), Section::reduce);
}

}  // namespace
}  // namespace holdfast
