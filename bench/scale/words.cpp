#include "bench/scale/words.h"

#include <fmt/format.h>

#include <string>

#include "base/section.h"
#include "launch/lease/status_word.h"

namespace holdfast {
namespace {

std::string host_of(int rank) { return fmt::format("node{:05d}", rank / 8); }

}  // namespace

nlohmann::json hello_of(int rank, const std::string& token, int attempt) {
  return {{"hello", {{"token", token}, {"attempt", attempt}, {"rank", rank}, {"host", host_of(rank)}, {"pid", 1}}}};
}

nlohmann::json word_of(int rank, std::int64_t step, double seconds) {
  TimeRecord times{.age_seconds = seconds, .completed_step = step, .busy_seconds = 0.7 * seconds + 1e-6 * rank};
  times.seconds[static_cast<std::size_t>(TimeCause::steps)] = 0.7 * seconds;
  times.seconds[static_cast<std::size_t>(TimeCause::data)] = 0.1 * seconds;
  times.seconds[static_cast<std::size_t>(TimeCause::collectives)] = 0.2 * seconds;
  HeartbeatBlock block{};
  block.section = static_cast<std::uint32_t>(Section::backward);
  block.step = step + 1;
  block.global_step = step;
  block.beats = static_cast<std::uint64_t>(20 * step);
  block.collectives = static_cast<std::uint64_t>(7 * step);
  block.last_step = 100000;
  block.steps_per_second = 5.0123;
  block.samples_per_second = 641.57;
  block.loss = 2.71828;
  return status_word(block, times, host_of(rank));
}

}  // namespace holdfast
