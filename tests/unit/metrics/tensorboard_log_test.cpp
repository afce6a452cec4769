#include <fstream>

#include "tests/unit/metrics/directory.h"
#include "trainer/metrics/tensorboard_log.h"

namespace holdfast {
namespace {

class EventFiles : public InADirectory {
 protected:
  std::vector<std::string> names() const { return files_->list(directory_); }
  SystemClock clock_;
};

TEST_F(EventFiles, OfOthersAndOfNoneOfOursAreLeftAlone) {
  std::ofstream(directory_ / "events.out.tfevents.9999999999.host") << "of somebody else";
  { TensorBoardLog(*files_, clock_, directory_, {}); }
  EXPECT_EQ(read_text(*files_, directory_ / "events.out.tfevents.9999999999.host"), "of somebody else");
}

TEST_F(EventFiles, AreReadInTheOrderOfTheAttemptsEvenWhereTheClockGoesBack) {
  {
    TensorBoardLog first(*files_, clock_, directory_, {});
    first.write_configuration(1, "a: 1");
  }
  std::filesystem::rename(directory_ / names().front(), directory_ / "events.out.tfevents.9999999990.vm.holdfast");
  { TensorBoardLog(*files_, clock_, directory_, {.step = 10}); }
  ASSERT_EQ(names().size(), 2u);
  EXPECT_TRUE(names().back().starts_with("events.out.tfevents.9999999991."));
}

TEST_F(EventFiles, OfTheRestoredStepAsManyValidationsStayAsItKnowsOverAllFiles) {
  const nlohmann::json validation = {{"kind", "validation"}, {"step", 20}, {"loss", 0.5}};
  for (const std::int64_t known : {0, 1}) TensorBoardLog(*files_, clock_, directory_, {.step = 20, .validations = known}).write(validation);
  ASSERT_EQ(names().size(), 2u) << "each attempt has made one";
  const std::string first = read_text(*files_, directory_ / names().front());
  { TensorBoardLog(*files_, clock_, directory_, {.step = 20, .validations = 1}); }
  ASSERT_EQ(names().size(), 2u) << "the first, and that of this attempt: the second was lost with its attempt";
  EXPECT_EQ(read_text(*files_, directory_ / names().front()), first);
}

TEST_F(EventFiles, WhatAKillLeavesOfACutIsNoFileOfEvents) {
  {
    TensorBoardLog first(*files_, clock_, directory_, {});
    first.write_configuration(1, "a: 1");
    first.write_configuration(30, "a: 2");
  }
  std::ofstream(directory_ / "shorter.tmp-77") << "half";
  { TensorBoardLog(*files_, clock_, directory_, {.step = 10}); }
  ASSERT_EQ(names().size(), 2u) << "the first, cut back, and that of this attempt";
  for (const std::string& name : names()) EXPECT_TRUE(name.ends_with(".holdfast")) << name;
}

}  // namespace
}  // namespace holdfast
