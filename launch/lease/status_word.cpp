#include "launch/lease/status_word.h"

#include "base/section.h"

namespace holdfast {

nlohmann::json status_word(const HeartbeatBlock& block, const std::optional<TimeRecord>& times, const std::string& host) {
  nlohmann::json word = {{"status",
                          {{"section", name_of(static_cast<Section>(block.section.load()))},
                           {"step", block.step.load()},
                           {"global_step", block.global_step.load()},
                           {"beats", block.beats.load()},
                           {"collectives", block.collectives.load()},
                           {"is_inside_collective", block.is_inside_collective.load() != 0},
                           {"last_step", block.last_step.load()},
                           {"resumed_step", block.resumed_step.load()},
                           {"steps_per_second", block.steps_per_second.load()},
                           {"samples_per_second", block.samples_per_second.load()},
                           {"loss", block.loss.load()}}}};
  if (times) word.update({{"times", to_json(*times)}, {"host", host}});
  return word;
}

}  // namespace holdfast
