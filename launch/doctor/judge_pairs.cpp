#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

#include "base/bytes_text.h"
#include "base/median.h"
#include "launch/doctor/judge.h"
#include "launch/doctor/judge_text.h"

namespace holdfast {
namespace {

constexpr double kSlowerThanOthers = 3;        // times
constexpr double kLaterThanOthers = 5;         // times, and
constexpr double kLateSeconds = 0.5e-3;        // at least
constexpr double kSlowBytesPerSecond = 100e6;  // less than Gigabit Ethernet
constexpr std::size_t kEnoughToCompare = 3;

using Link = std::pair<std::string, std::string>;  // two hosts

/// The best that any two ranks of these hosts have had from each other: what is left of a link that others use at the same time.
struct Best {
  double latency_seconds = 0, bytes_per_second = 0;
};

std::string speed_text(const Best& best) {
  return fmt::format("{}/s, {}", bytes_text(best.bytes_per_second), seconds_text(best.latency_seconds));
}

std::map<Link, Best> links_between_hosts(const PairsFacts& facts) {
  std::map<Link, Best> links;
  for (const PairFacts& pair : facts.pairs) {
    const std::string &a = facts.hosts.at(static_cast<std::size_t>(pair.a)), &b = facts.hosts.at(static_cast<std::size_t>(pair.b));
    if (a == b) continue;
    const auto [at, is_new] = links.try_emplace(std::minmax(a, b), Best{pair.latency_seconds, pair.bytes_per_second});
    at->second.latency_seconds = std::min(at->second.latency_seconds, pair.latency_seconds);
    at->second.bytes_per_second = std::max(at->second.bytes_per_second, pair.bytes_per_second);
  }
  return links;
}

/// Why this link is a problem; empty: it is none.
std::string problem_of(const Best& best, const std::optional<Best>& usual) {
  if (usual && best.bytes_per_second < usual->bytes_per_second / kSlowerThanOthers)
    return fmt::format("{} times slower than between the others", std::lround(usual->bytes_per_second / best.bytes_per_second));
  if (usual && best.latency_seconds > kLateSeconds && best.latency_seconds > usual->latency_seconds * kLaterThanOthers)
    return fmt::format("{} times later than between the others", std::lround(best.latency_seconds / usual->latency_seconds));
  return best.bytes_per_second < kSlowBytesPerSecond ? "less than Gigabit Ethernet has" : "";
}

std::string all_pairs_text(const PairsFacts& facts) {
  const auto by_speed = [](const PairFacts& a, const PairFacts& b) { return a.bytes_per_second < b.bytes_per_second; };
  const auto by_latency = [](const PairFacts& a, const PairFacts& b) { return a.latency_seconds < b.latency_seconds; };
  const PairFacts &slowest = *std::min_element(facts.pairs.begin(), facts.pairs.end(), by_speed),
                  &latest = *std::max_element(facts.pairs.begin(), facts.pairs.end(), by_latency);
  return fmt::format("all {} talk; slowest ranks {} and {} with {}/s, latest {} and {} with {}",
                     facts.pairs.size() == 1 ? "2 ranks" : fmt::format("{} pairs", facts.pairs.size()), slowest.a, slowest.b,
                     bytes_text(slowest.bytes_per_second), latest.a, latest.b, seconds_text(latest.latency_seconds));
}

/// Those who wait for each other do not hear each other; others wait for these. All of them where there are none such.
std::vector<std::string> waiting_for_each_other(const std::vector<std::string>& waiting) {
  std::map<int, int> peers;
  const auto ranks_in = [](const std::string& line) {
    std::pair<int, int> ranks{-1, -1};
    std::sscanf(line.c_str(), "rank %d on %*s waits for rank %d", &ranks.first, &ranks.second);
    return ranks;
  };
  for (const std::string& line : waiting) peers[ranks_in(line).first] = ranks_in(line).second;
  std::vector<std::string> lines;
  for (const std::string& line : waiting)
    if (const auto peer = peers.find(ranks_in(line).second); peer != peers.end() && peer->second == ranks_in(line).first)
      lines.push_back(line);
  return lines.empty() ? waiting : lines;
}

HostFinding silence(const PairsFacts& facts) {
  std::string text = facts.error;
  const std::vector<std::string> waiting = waiting_for_each_other(facts.waiting);
  for (std::size_t i = 0; i < std::min<std::size_t>(4, waiting.size()); ++i) text += "; " + waiting[i];
  if (!facts.has_started)
    return {Level::failure, "ranks", text,
            "mpirun -n 2 holdfast-train --probe pairs:1 shows all that they say; look at what is wrong above first"};
  return {Level::failure, "ranks", text,
          "let these hosts open TCP connections to each other on any port (firewall), on the network that Open MPI takes: "
          "export OMPI_MCA_btl_tcp_if_include=NETWORK/BITS names one"};
}

}  // namespace

std::vector<HostFinding> judge_pairs(const PairsFacts& facts, const JobFacts& job) {
  std::vector<HostFinding> findings;
  if (!facts.error.empty()) return {silence(facts)};
  if (facts.pairs.empty()) return {{Level::ok, "ranks", "one rank, nobody to talk to"}};
  const std::map<Link, Best> links = links_between_hosts(facts);
  std::optional<Best> usual;
  if (links.size() >= kEnoughToCompare) {
    std::vector<double> latencies, speeds;
    for (const auto& [link, best] : links) latencies.push_back(best.latency_seconds), speeds.push_back(best.bytes_per_second);
    usual = Best{median(latencies), median(speeds)};
  }
  for (const auto& [link, best] : links)
    if (const std::string problem = problem_of(best, usual); !problem.empty()) {
      const std::string update = job.gradient_bytes == 0
                                     ? ""
                                     : fmt::format("; the gradients of an update take {} there",
                                                   seconds_text(static_cast<double>(job.gradient_bytes) / best.bytes_per_second));
      findings.push_back({Level::warning, "ranks",
                          fmt::format("{} and {}: {}, {}{}", link.first, link.second, speed_text(best), problem, update),
                          "look at cable, switch and driver between them (ethtool), or leave one of the two out: every update waits for "
                          "the slowest pair"});
    }
  if (facts.pairs.size() < facts.expected)
    findings.push_back(
        {Level::warning, "ranks",
         fmt::format("{} of {} pairs have talked within the time; the others were not tried", facts.pairs.size(), facts.expected),
         "try fewer ranks (-n) to see them all"});
  if (findings.empty()) findings.push_back({Level::ok, "ranks", all_pairs_text(facts)});
  return findings;
}

}  // namespace holdfast
