#include "launch/shim/exit_record.h"

#include <fmt/format.h>

#include <cstring>

namespace holdfast {

using nlohmann::json;

json to_json(const ExitRecord& record) {
  return {{"rank", record.rank},
          {"host", record.host},
          {"pid", record.pid},
          {"exit_code", record.exit_code},
          {"signal", record.signal},
          {"section", record.section},
          {"step", record.step},
          {"global_step", record.global_step},
          {"saving_step", record.saving_step},
          {"collectives", record.collectives},
          {"is_inside_collective", record.is_inside_collective},
          {"error", record.error},
          {"last_lines", record.last_lines},
          {"was_killed_by_us", record.was_killed_by_us},
          {"is_futile", record.is_futile},
          {"stops_run", record.stops_run},
          {"is_shim_lost", record.is_shim_lost},
          {"is_hung", record.is_hung},
          {"is_out_of_memory", record.is_out_of_memory},
          {"evidence", record.evidence}};
}

ExitRecord exit_record_from_json(const json& stored) {
  return {.rank = stored.at("rank"),
          .host = stored.at("host"),
          .pid = stored.at("pid"),
          .exit_code = stored.at("exit_code"),
          .signal = stored.at("signal"),
          .section = stored.at("section"),
          .step = stored.at("step"),
          .global_step = stored.at("global_step"),
          .saving_step = stored.at("saving_step"),
          .collectives = stored.at("collectives"),
          .is_inside_collective = stored.at("is_inside_collective"),
          .error = stored.at("error"),
          .last_lines = stored.at("last_lines"),
          .was_killed_by_us = stored.at("was_killed_by_us"),
          .is_futile = stored.at("is_futile"),
          .stops_run = stored.at("stops_run"),
          .is_shim_lost = stored.at("is_shim_lost"),
          .is_hung = stored.at("is_hung"),
          .is_out_of_memory = stored.at("is_out_of_memory"),
          .evidence = stored.at("evidence")};
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string describe(const ExitRecord& record) {
  const std::string who = fmt::format("rank {} on {}", record.rank, record.host.empty() ? "an unknown host" : record.host);
  if (record.is_shim_lost && !record.error.empty()) return who + ": " + record.error;
  if (record.is_shim_lost) return who + ": its shim is gone without a word (killed, or its host is lost)";
  const std::string how = record.is_hung       ? "hung"
                          : record.signal != 0 ? fmt::format("ended by signal {} ({})", record.signal, ::strsignal(record.signal))
                                               : fmt::format("exited with code {}", record.exit_code);
  const bool is_saving_behind = record.saving_step >= 0 && record.section != "checkpoint" && record.section != "commit";
  const std::string where =
      fmt::format("in section {} of step {}{}{}", record.section, record.step, record.is_inside_collective ? ", inside a collective" : "",
                  is_saving_behind ? fmt::format(", while step {} was being saved", record.saving_step) : "");
  const std::string& why = record.is_hung || record.is_out_of_memory ? record.evidence : record.error;
  return fmt::format("{}: {} {}{}", who, how, where, why.empty() ? "" : ": " + why);
}

}  // namespace holdfast
