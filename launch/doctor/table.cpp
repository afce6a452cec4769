#include "launch/doctor/table.h"

#include <fmt/format.h>

namespace holdfast {
namespace {

template <class Facts>
nlohmann::json known(const std::optional<Facts>& facts) {
  return facts ? nlohmann::json(*facts) : nlohmann::json();
}

std::string counted(std::size_t count, std::string_view what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

}  // namespace

std::string findings_table(const std::vector<HostFinding>& findings, double seconds) {
  std::string out;
  std::size_t counts[3] = {0, 0, 0};
  for (const HostFinding& finding : findings) {
    ++counts[static_cast<std::size_t>(finding.level)];
    out += fmt::format("{:<8} {:<14} {}\n", name_of(finding.level), finding.check, finding.found);
    if (!finding.next.empty()) out += fmt::format("{:<24}next: {}\n", "", finding.next);
  }
  const std::string_view verdict = counts[2] > 0 ? "not fit to train on" : "fit to train on";
  return out + fmt::format("{}: {}, {}, {} ok, {:.1f} s\n", verdict, counted(counts[2], "failure"), counted(counts[1], "warning"),
                           counts[0], seconds);
}

nlohmann::json findings_json(const std::vector<HostFinding>& findings, const Examination& examination) {
  nlohmann::json list = nlohmann::json::array(), hosts = nlohmann::json::array(), pairs = nlohmann::json::array();
  for (const HostFinding& finding : findings)
    list.push_back({{"level", name_of(finding.level)}, {"check", finding.check}, {"found", finding.found}, {"next", finding.next}});
  for (const HostFacts& host : examination.hosts)
    hosts.push_back({{"name", host.name},
                     {"launch_error", host.launch_error},
                     {"launch_seconds", host.launch_seconds},
                     {"machine", known(host.machine)},
                     {"versions", known(host.versions)},
                     {"disk", known(host.disk)},
                     {"clock_offset_seconds", host.clock ? nlohmann::json(host.clock->offset_seconds) : nlohmann::json()}});
  for (const PairFacts& pair : examination.pairs.pairs)
    pairs.push_back({{"ranks", {pair.a, pair.b}}, {"latency_seconds", pair.latency_seconds}, {"bytes_per_second", pair.bytes_per_second}});
  return {{"verdict", name_of(worst(findings))},
          {"seconds", examination.seconds},
          {"findings", std::move(list)},
          {"hosts", std::move(hosts)},
          {"rank_hosts", examination.pairs.hosts},
          {"pairs", std::move(pairs)},
          {"most_bytes", examination.job.most_bytes}};
}

}  // namespace holdfast
