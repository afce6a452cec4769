// `hooks:`: when each command is run.
#include "options/run_options.h"

namespace holdfast {

void HooksOptions::describe(FieldVisitor& visitor) {
  const auto command = [&visitor](std::string_view name, std::string_view doc, std::vector<std::string>& value) {
    visitor.field({.name = name, .doc = doc, .takes_one_text = true}, value);
  };
  command("on_start", "When `holdfast run` starts.", on_start);
  command("on_failure", "When an attempt has failed, with the record of the cause: rank, host, section, step, signal, last lines.",
          on_failure);
  command("on_restart", "When another attempt starts after a failure.", on_restart);
  command("on_end", "When `holdfast run` ends: finished, stopped, or given up. It is waited for.", on_end);
  visitor.field({.name = "timeout_seconds",
                 .doc = "A command that takes longer is killed, with all that it has started.",
                 .unit = "seconds",
                 .min = 0,
                 .max = 3600,
                 .min_is_excluded = true,
                 .synonyms = "timeout"},
                timeout_seconds);
}

}  // namespace holdfast
