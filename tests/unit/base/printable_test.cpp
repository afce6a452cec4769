#include "base/printable.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Printable, KeepsTextWithItsLinesAndTabs) {
  EXPECT_EQ(printable("one\ttwo\nthree"), "one\ttwo\nthree");
  EXPECT_EQ(printable("\xc3\xa4 \xe2\x9c\x93 \xc2\xa0"), "\xc3\xa4 \xe2\x9c\x93 \xc2\xa0");
}

TEST(Printable, LeavesOutWhatSteersATerminal) {
  EXPECT_EQ(printable("a\x1b[2Jb\rc\x7f"), "a[2Jbc");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "2Jb"),
            "a2Jb")
      << "CSI as UTF-8 writes it";
  EXPECT_EQ(printable(std::string("a\0b", 3)), "ab");
}

TEST(Printable, TakesABrokenCharacterAtTheEnd) { EXPECT_EQ(printable("a\xc2"), "a\xc2"); }

}  // namespace
}  // namespace holdfast
