#include "launch/doctor/pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "base/reap.h"

namespace holdfast {
namespace {

constexpr double kKillSeconds = 1;
constexpr std::size_t kWords = 4;

std::vector<std::string> lines_of(const Path& log) {
  std::ifstream file(log);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  return lines;
}

/// What the launcher and the programs said that was no measurement.
std::string words_of(const std::vector<std::string>& lines) {
  std::string words;
  std::size_t count = 0;
  for (const std::string& line : lines)
    if (!line.starts_with("probe ") && line.find_first_not_of("- ") != line.npos && count++ < kWords)
      words += (words.empty() ? "" : " ") + line;
  return words.empty() ? "nothing was said" : words;
}

/// They meet several times.
void keep_best(std::vector<PairFacts>& pairs, const PairFacts& pair) {
  const auto same = std::find_if(pairs.begin(), pairs.end(), [&pair](const PairFacts& one) { return one.a == pair.a && one.b == pair.b; });
  if (same == pairs.end()) return pairs.push_back(pair);
  same->latency_seconds = std::min(same->latency_seconds, pair.latency_seconds);
  same->bytes_per_second = std::max(same->bytes_per_second, pair.bytes_per_second);
}

}  // namespace

double pairs_seconds(int ranks) { return ranks <= 2 ? 1 : 3; }

PairsFacts pairs_from(const std::vector<std::string>& lines, int ranks) {
  PairsFacts facts{.hosts = std::vector<std::string>(static_cast<std::size_t>(ranks)),
                   .pairs = {},
                   .error = {},
                   .waiting = {},
                   .expected = static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks - 1) / 2};
  for (const std::string& line : lines) {
    int rank = 0;
    char host[257] = "";
    PairFacts pair;
    if (std::sscanf(line.c_str(), "probe rank %d on %256s", &rank, host) == 2 && rank >= 0 && rank < ranks)
      facts.hosts[static_cast<std::size_t>(rank)] = host;
    else if (std::sscanf(line.c_str(), "probe pair %d %d %lf %lf", &pair.a, &pair.b, &pair.latency_seconds, &pair.bytes_per_second) == 4 &&
             std::min(pair.a, pair.b) >= 0 && std::max(pair.a, pair.b) < ranks)
      keep_best(facts.pairs, pair);
    else if (line.starts_with("probe waiting "))
      facts.waiting.push_back(line.substr(std::string("probe waiting ").size()));
  }
  return facts;
}

PairsFacts wait_for_pairs(pid_t launcher, const Path& log, int ranks, double seconds) {
  const bool has_ended = wait_for_end(launcher, seconds).has_value();
  if (!has_ended) kill_and_reap(launcher, kKillSeconds);
  const std::vector<std::string> lines = lines_of(log);
  PairsFacts facts = pairs_from(lines, ranks);
  const bool is_complete = std::find(lines.begin(), lines.end(), "probe complete") != lines.end();
  if (!has_ended) {
    facts.error = fmt::format("the ranks were not done talking after {:.0f} s ({} of {} pairs have been measured)", seconds,
                              facts.pairs.size(), facts.expected);
  } else if (!is_complete) {
    facts.has_started = false;
    facts.error = fmt::format("the ranks could not be started, or ended early: {}", words_of(lines));
  }
  return facts;
}

}  // namespace holdfast
