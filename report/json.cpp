#include "report/json.h"

#include <nlohmann/json.hpp>

namespace holdfast {

using nlohmann::json;

namespace {

json causes(const Seconds& seconds) {
  json object = json::object();
  for (std::size_t i = 0; i < kRunCauses; ++i) object[key_of(static_cast<RunCause>(i))] = seconds[i];
  return object;
}

json ranks(const Account& account) {
  json list = json::array();
  for (const RankAccount& rank : account.ranks)
    list.push_back({{"rank", rank.rank},
                    {"host", rank.host},
                    {"seconds", causes(rank.seconds)},
                    {"steps", rank.steps},
                    {"busy_seconds", rank.busy_seconds},
                    {"waiting_seconds", rank.waiting_seconds},
                    {"seconds_per_step", rank.seconds_per_step()}});
  return list;
}

json attempts(const Account& account) {
  json list = json::array();
  for (const AttemptAccount& attempt : account.attempts)
    list.push_back({{"attempt", attempt.attempt},
                    {"begin", attempt.begin},
                    {"end", attempt.end},
                    {"from_step", attempt.from_step},
                    {"reached_step", attempt.reached_step},
                    {"recomputed_steps", attempt.recomputed_steps},
                    {"has_ended", attempt.has_ended},
                    {"is_done", attempt.is_done},
                    {"reason", attempt.reason}});
  return list;
}

json failures(const RunHistory& history) {
  json list = json::array();
  for (const Failure& failure : history.failures)
    list.push_back({{"attempt", failure.attempt},
                    {"unix_seconds", failure.unix_seconds},
                    {"reason", failure.reason},
                    {"cause", failure.cause},
                    {"injected", failure.injected.empty() ? json() : json(failure.injected)},
                    {"recomputed_steps", failure.recomputed_steps},
                    {"seconds_to_resume", failure.seconds_to_resume ? json(*failure.seconds_to_resume) : json()}});
  return list;
}

json saves(const RunHistory& history) {
  json list = json::array();
  for (const Save& save : history.saves)
    list.push_back({{"step", save.step},
                    {"unix_seconds", save.unix_seconds},
                    {"seconds", save.seconds},
                    {"bytes", save.bytes},
                    {"is_durable", save.is_durable},
                    {"is_resumable", save.is_resumable}});
  return list;
}

}  // namespace

json report_json(const RunHistory& history) {
  return {{"run", history.root.string()},
          {"state", history.state},
          {"step", history.newest_step()},
          {"is_supervised", history.account.is_supervised},
          {"wall_seconds", history.account.wall_seconds},
          {"accounted_seconds", history.account.accounted_seconds()},
          {"goodput", history.account.goodput()},
          {"seconds", causes(history.account.seconds)},
          {"ranks", ranks(history.account)},
          {"attempts", attempts(history.account)},
          {"failures", failures(history)},
          {"stragglers", history.stragglers},
          {"saves", saves(history)}};
}

}  // namespace holdfast
