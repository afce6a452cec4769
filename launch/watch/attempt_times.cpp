#include "launch/watch/attempt_times.h"

#include <algorithm>

namespace holdfast {

using nlohmann::json;

void AttemptTimes::begin(double now) {
  begin_ = now;
  ranks_.clear();
}

void AttemptTimes::heard(int rank, const std::string& host, const TimeRecord& times, double now) {
  const double began_at = now - times.age_seconds;
  const auto [known, is_new] = ranks_.try_emplace(rank, Rank{.host = host, .began_at = began_at});
  Rank& one = known->second;
  one.began_at = std::max(begin_, std::min(began_at, one.began_at));
  one.heard_at = now;
  one.times = times;
}

std::string AttemptTimes::host_of(int rank) const {
  const auto known = ranks_.find(rank);
  return known == ranks_.end() ? "" : known->second.host;
}

void AttemptTimes::ended(int rank, double now) {
  const auto known = ranks_.find(rank);
  if (known != ranks_.end() && !known->second.ended_at) known->second.ended_at = now;
}

json AttemptTimes::take(double now) {
  json all = json::array();
  for (const auto& [rank, one] : ranks_)
    all.push_back({{"rank", rank},
                   {"host", one.host},
                   {"launch_seconds", std::max(0.0, one.began_at - begin_)},
                   {"times", to_json(one.times)},
                   {"after_seconds", std::max(0.0, now - one.ended_at.value_or(one.heard_at))}});
  ranks_.clear();
  return all;
}

}  // namespace holdfast
