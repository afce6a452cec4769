#include "trainer/step_profile.h"

#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <cstdlib>
#include <exception>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace holdfast {
namespace {

constexpr const char* kBetween = "between steps";
/// The columns, in the order in which a step has them.
constexpr const char* kColumns[] = {"data", "forward", "backward", "reduce", "update", kBetween};

double seconds_in_collectives(const SectionTracker& sections) {
  const auto of = [&](TimeCause cause) { return sections.times().seconds[static_cast<std::size_t>(cause)].load(); };
  return of(TimeCause::collectives) + of(TimeCause::recomputed_collectives);
}

torch::profiler::impl::ProfilerConfig profiler_config() {
  return torch::profiler::impl::ProfilerConfig(torch::profiler::impl::ProfilerState::KINETO);
}

std::set<torch::profiler::impl::ActivityType> activities() {
  using torch::profiler::impl::ActivityType;
  return at::hasCUDA() ? std::set{ActivityType::CPU, ActivityType::CUDA} : std::set{ActivityType::CPU};
}

}  // namespace

StepProfile::StepProfile(const ProfileOptions& options, const Clock& clock, const SectionTracker& sections, FileSystem& files, Path trace)
    : options_(options), clock_(clock), sections_(sections), files_(files), trace_(std::move(trace)) {}

StepProfile::~StepProfile() {
  span_.reset();
  if (is_measuring_) try {
      torch::autograd::profiler::disableProfiler();
    } catch (const std::exception& error) {
      log_warning("the profiler did not end: {}", error.what());
    }
}

void StepProfile::begin_step() {
  if (options_.steps == 0) return;
  ++begun_;
  if (begun_ == options_.after_steps + 1) begin();
}

void StepProfile::begin() {
  // Else LibTorch's profiler (Kineto) reports that there is no GPU, as an error.
  if (!at::hasCUDA()) ::setenv("KINETO_LOG_LEVEL", "5", /*overwrite=*/0);
  torch::autograd::profiler::prepareProfiler(profiler_config(), activities());
  torch::autograd::profiler::enableProfiler(profiler_config(), activities());
  is_measuring_ = true;
  waited_before_ = seconds_in_collectives(sections_);
  since_ = clock_.seconds();
  name_ = kBetween;
}

void StepProfile::note(std::string name) {
  if (!is_measuring_) return;
  const double now = clock_.seconds();
  times_.seconds[name_] += now - since_;
  since_ = now;
  name_ = std::move(name);
  span_.reset();  // before the next begins
  span_ = std::make_unique<at::RecordFunction>(at::RecordScope::USER_SCOPE);
  if (span_->isActive()) span_->before(name_);
}

bool StepProfile::end_step() {
  if (!is_measuring_) return false;
  note(kBetween);
  if (measured() < options_.steps) return false;
  end();
  return true;
}

bool StepProfile::end_early() {
  if (is_measuring_) {
    end();
    return true;
  }
  if (options_.steps > 0 && measured() < 0)
    log_warning("profile: the run ends after {} steps of this start; profile.after_steps is {}, so none was measured", begun_,
                options_.after_steps);
  return false;
}

void StepProfile::end() {
  span_.reset();
  is_measuring_ = false;
  const auto result = torch::autograd::profiler::disableProfiler();
  try {
    make_directories(files_, trace_.parent_path());  // no supervisor has made it
    result->save(trace_.string());
  } catch (const std::exception& error) {  // of one rank alone: the others wait for it in the next step
    log_warning("the trace {} was not written: {}", trace_.string(), error.what());
  }
  const auto steps = static_cast<double>(measured());
  for (auto& [name, seconds] : times_.seconds) seconds /= steps;
  times_.waiting_seconds = (seconds_in_collectives(sections_) - waited_before_) / steps;
}

std::string table_of(const std::vector<StepTimes>& ranks, std::int64_t steps) {
  std::string text = fmt::format("profile: milliseconds a step, means of {} steps\n{:>6}", steps, "rank");
  for (const char* column : kColumns) text += fmt::format("{:>15}", column);
  text += fmt::format("{:>15}{:>15}\n", "all", "in collectives");
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    text += fmt::format("{:>6}", rank);
    double all = 0;
    for (const char* column : kColumns) {
      const auto found = ranks[rank].seconds.find(column);
      const double seconds = found == ranks[rank].seconds.end() ? 0 : found->second;
      text += fmt::format("{:>15.3f}", 1e3 * seconds);
      all += seconds;
    }
    text += fmt::format("{:>15.3f}{:>15.3f}\n", 1e3 * all, 1e3 * ranks[rank].waiting_seconds);
  }
  return text;
}

}  // namespace holdfast
