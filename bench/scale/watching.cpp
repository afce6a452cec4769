#include "bench/scale/watching.h"

#include <algorithm>

#include "base/error.h"
#include "bench/scale/words.h"
#include "launch/lease/word_seconds.h"
#include "launch/watch/rank_watch.h"

namespace holdfast {
namespace {

constexpr int kTicks = 4;    // of the supervisor, while every rank speaks once
constexpr int kRounds = 28;  // so many words of each: four parts of four steps and more, after which slow ranks are looked for

/// Seconds of each round of words.
std::vector<double> rounds(int ranks) {
  RankWatch watch{RestartOptions{}};
  watch.begin_times(0);
  watch.begin(ranks, 0);
  std::vector<double> seconds;
  std::vector<nlohmann::json> words(static_cast<std::size_t>(ranks));
  for (int round = 1; round <= kRounds; ++round) {
    const double now = round * word_seconds(ranks);
    for (int rank = 0; rank < ranks; ++rank) words[static_cast<std::size_t>(rank)] = word_of(rank, round, now);
    seconds.push_back(seconds_of([&] {
      for (int tick = 0; tick < kTicks; ++tick) {
        watch.awake(now);
        for (int rank = tick * ranks / kTicks; rank < (tick + 1) * ranks / kTicks; ++rank) {
          const nlohmann::json& word = words[static_cast<std::size_t>(rank)];
          watch.take_status(rank, word["status"], now);
          if (!watch.take_times(rank, word, now).empty()) throw Error("a rank that is as fast as the others is called slow", kExitSoftware);
        }
        if (watch.check(now)) throw Error("ranks that get on are said to hang", kExitSoftware);
      }
    }));
  }
  return seconds;
}

}  // namespace

std::vector<Figure> measure_watching(const ScaleTask& task) {
  Figure usual{.way = "watch", .ranks = task.ranks}, slowest{.way = "watch.slowest", .ranks = task.ranks};
  for (int number = 0; number < task.repeat; ++number) {
    std::vector<double> seconds = rounds(task.ranks);
    std::sort(seconds.begin(), seconds.end());
    usual.seconds.push_back(seconds[seconds.size() / 2]);
    slowest.seconds.push_back(seconds.back());
  }
  usual.facts = {{"words", task.ranks}, {"of_seconds", word_seconds(task.ranks)}};
  return {usual, slowest};
}

}  // namespace holdfast
