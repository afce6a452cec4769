#include "bench/scale/words.h"

#include <fmt/format.h>

#include <string>

#include "base/section.h"
#include "base/time_record.h"

namespace holdfast {

nlohmann::json hello_of(int rank, const std::string& token, int attempt) {
  return {{"hello", {{"token", token}, {"attempt", attempt}, {"rank", rank}, {"host", fmt::format("node{:05d}", rank / 8)}, {"pid", 1}}}};
}

nlohmann::json word_of(int rank, std::int64_t step, double seconds) {
  TimeRecord times{.age_seconds = seconds, .completed_step = step, .busy_seconds = 0.7 * seconds + 1e-6 * rank};
  times.seconds[static_cast<std::size_t>(TimeCause::steps)] = 0.7 * seconds;
  times.seconds[static_cast<std::size_t>(TimeCause::data)] = 0.1 * seconds;
  times.seconds[static_cast<std::size_t>(TimeCause::collectives)] = 0.2 * seconds;
  return {{"status",
           {{"section", name_of(Section::backward)},
            {"step", step + 1},
            {"global_step", step},
            {"beats", 20 * step},
            {"collectives", 7 * step},
            {"is_inside_collective", false},
            {"last_step", 100000},
            {"resumed_step", 0},
            {"steps_per_second", 5.0123},
            {"samples_per_second", 641.57},
            {"loss", 2.71828}}},
          {"times", to_json(times)},
          {"host", fmt::format("node{:05d}", rank / 8)}};
}

}  // namespace holdfast
