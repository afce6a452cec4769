// What the bytes mean to TensorBoard is asked of TensorBoard itself, in tests/fault/tensorboard_test.py.
#include <fstream>

#include "tests/unit/metrics/directory.h"
#include "trainer/metrics/event_file.h"

namespace holdfast {
namespace {

EventPrefix prefix_of(std::string_view file, const KeptMetrics& kept) {
  MetricsCut cut(kept);
  return kept_events(file, cut);
}

class Events : public InADirectory {
 protected:
  /// The file after each event: version, start, one scalar for each of `steps`.
  std::vector<std::string> texts(const std::vector<std::int64_t>& steps) {
    std::vector<std::string> after;
    EventFile file(directory_ / "events", 1e9);
    const auto keep = [&] { after.push_back(read_text(*files_, directory_ / "events")); };
    keep();
    file.write_start({1, 1e9});
    keep();
    for (const std::int64_t step : steps) {
      file.write_scalar({step, 1e9}, "loss", 0.5);
      keep();
    }
    return after;
  }
};

TEST_F(Events, AreKeptUpToTheRestoredStep) {
  const auto after = texts({10, 20, 30});
  EXPECT_EQ(prefix_of(after[4], {.step = 20}).bytes, after[3].size());
  EXPECT_EQ(prefix_of(after[4], {.step = 20}).events, 2);
  EXPECT_EQ(prefix_of(after[4], {.step = 5}).events, 0);
  EXPECT_EQ(prefix_of(after[4], {.step = 1000}).bytes, after[4].size());
}

TEST_F(Events, OfAValidationThatIsOwedGo) {
  std::string before;
  {
    EventFile file(directory_ / "events", 1e9);
    file.write_scalar({10, 1e9}, "validation/loss", 0.5);
    file.write_scalar({20, 1e9}, "train/loss", 0.5);
    before = read_text(*files_, directory_ / "events");
    file.write_scalar({20, 1e9}, "validation/loss", 0.5);
  }
  const std::string whole = read_text(*files_, directory_ / "events");
  EXPECT_EQ(prefix_of(whole, {.step = 20}).bytes, before.size());
  EXPECT_EQ(prefix_of(whole, {.step = 20, .validations = 1}).bytes, whole.size());
}

TEST_F(Events, OfAFileThatIsCutAnywhereTheWholeOnesAreKept) {
  const auto after = texts({10, 20});
  const std::string& whole = after.back();
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    std::size_t kept = 0;
    for (const std::string& text : after)
      if (text.size() <= bytes) kept = text.size();
    EXPECT_EQ(prefix_of(std::string_view(whole).substr(0, bytes), {.step = 1000}).bytes, kept) << bytes;
  }
}

TEST_F(Events, AChangedBitEndsWhatIsKept) {
  const auto after = texts({10, 20});
  for (std::size_t bit = 0; bit < 8 * after.back().size(); ++bit) {
    std::string changed = after.back();
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    std::size_t before = 0;
    for (const std::string& text : after)
      if (text.size() <= bit / 8) before = text.size();
    EXPECT_EQ(prefix_of(changed, {.step = 1000}).bytes, before) << bit;
  }
}

}  // namespace
}  // namespace holdfast
