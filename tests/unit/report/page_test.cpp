#include "report/page.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/report/made_up_run.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

/// With HOLDFAST_PAGES=DIRECTORY the pages stay there, for who wants to look at them in a browser.
std::string page_of(int ranks, int deaths, std::int64_t steps, double step_seconds, int slow_rank) {
  TemporaryDirectory directory;
  MadeUpRun run(directory.path() / "run", ranks);
  run.write(deaths, steps, step_seconds, slow_rank);
  const std::string page = report_page(read_history(*make_posix_file_system(), run.layout()));
  if (const char* pages = std::getenv("HOLDFAST_PAGES")) std::ofstream(Path(pages) / fmt::format("{}-ranks.html", ranks)) << page;
  return page;
}

TEST(Page, NeedsNothingElseAndRunsNothing) {
  const std::string page = page_of(2, 1, 1000, 0.5, -1);
  for (const char* part : {"http", "src=", "href=", "@import", "url(", "<script", "nan", "inf,"}) EXPECT_THAT(page, Not(HasSubstr(part)));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert"));
}

TEST(Page, OfSixtyFourRanksAndADayStaysSmall) {
  const std::string page = page_of(64, 12, 20'000, 0.3, 17);
  EXPECT_LT(page.size(), 600'000u);
  EXPECT_THAT(page, HasSubstr("bar marked"));
  EXPECT_THAT(page, HasSubstr("attempt 13 starts"));
}

TEST(Page, OfOneRankIsWhole) {
  const std::string page = page_of(1, 0, 500, 0.01, -1);
  EXPECT_THAT(page, HasSubstr("<h2>Failures</h2><p>None.</p>"));
  EXPECT_THAT(page, HasSubstr("</html>"));
}

}  // namespace
}  // namespace holdfast
