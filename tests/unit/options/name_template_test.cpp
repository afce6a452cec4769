#include "options/name_template.h"

#include <gmock/gmock.h>

#include <cmath>
#include <stdexcept>

namespace holdfast {
namespace {

std::string named(const std::string& text, const NameFigures& figures, bool inserts_names = true) {
  return NameTemplate(text, inserts_names).format(figures);
}

TEST(NameTemplate, IsFilledLikeLightnings) {
  const NameFigures figures{.epoch = 3, .step = 1200, .metrics = {{"val_loss", 0.25}, {"val/acc", 1}}};
  EXPECT_EQ(named("{epoch}-{step}", figures), "epoch=3-step=1200");
  EXPECT_EQ(named("{epoch:03d}-{epoch}-{step:06d}", figures), "epoch=003-epoch=3-step=001200");
  EXPECT_EQ(named("{epoch}-{val_loss:.1f}", figures), "epoch=3-val_loss=0.2");
  EXPECT_EQ(named("e{epoch}_{val_loss:.2f}", figures, false), "e3_0.25");
  EXPECT_EQ(named("{epoch:.2f}", figures), "epoch=3.00");
  EXPECT_EQ(named("{epoch:02d}-{val/acc:.2f}", figures), "epoch=03-val/acc=1.00");
  EXPECT_EQ(named("{val_loss:3e}", figures), "val_loss=2.500000e-01");
  EXPECT_EQ(named("foo", figures), "foo");
}

TEST(NameTemplate, PrintsNumbersAsPythonDoes) {
  EXPECT_EQ(named("{x}", {.metrics = {{"x", 0.1}}}), "x=0.1");
  EXPECT_EQ(named("{x}", {.metrics = {{"x", 2}}}), "x=2.0");
  EXPECT_EQ(named("{x:.2f}", {.metrics = {{"x", -2}}}), "x=-2.00");
  EXPECT_EQ(named("{x:.1f}", {.metrics = {{"x", std::nan("")}}}), "x=nan");
  EXPECT_EQ(named("{x:.1f}", {.metrics = {{"x", INFINITY}}}), "x=inf");
}

TEST(NameTemplate, SaysNanForWhatHasNotBeenMeasured) { EXPECT_EQ(named("{x:.2f}", {}), "x=nan"); }

TEST(NameTemplate, RefusesWhatCouldNotBeFormatted) {
  for (const char* text : {"{val_loss:d}", "{epoch:s}", "{step:.2}", "{val_loss:>10}", "{epoch", "epoch}", "{}", "{:d}", "{a{b}}",
                           "{step:.3d}", "{val_loss:.2f:}", "{epoch:1000000d}"})
    EXPECT_THROW(NameTemplate(text, true), std::invalid_argument) << text;
}

TEST(NameTemplate, KnowsWhichMetricsItNeeds) {
  EXPECT_THAT(NameTemplate("{epoch}-{a:.1f}-{step}-{b}", true).metrics(), testing::ElementsAre("a", "b"));
}

TEST(FileName, StaysInItsDirectory) {
  for (const char* name : {"", ".", "..", "/a", "a/", "a//b", "../a", "a/../b", "a/."})
    EXPECT_THROW(require_file_name(name), std::invalid_argument) << name;
  EXPECT_THROW(require_file_name(std::string(201, 'x')), std::invalid_argument);
  EXPECT_NO_THROW(require_file_name("epoch=00-val/loss=0.50"));
}

}  // namespace
}  // namespace holdfast
