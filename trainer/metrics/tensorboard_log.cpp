#include "trainer/metrics/tensorboard_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "base/host.h"
#include "trainer/metrics/numbers.h"

namespace holdfast {
namespace {

constexpr const char* kPrefix = "events.out.tfevents.";  // TensorBoard looks for "tfevents", and reads files in the order of their names
constexpr const char* kSuffix = ".holdfast";             // others may write there, too
constexpr const char* kShorter = "shorter";              // no name that TensorBoard reads

/// Returns the name that comes after all of them: by the second of its start, as TensorBoard's own.
std::string cut_back(FileSystem& files, const Path& directory, const KeptMetrics& metrics, double unix_seconds) {
  auto second = static_cast<std::int64_t>(unix_seconds);
  MetricsCut cut(metrics);
  std::vector<std::string> names = files.list(directory);
  std::sort(names.begin(), names.end());  // the order in which they were written
  for (const std::string& name : names) {
    if (name.starts_with(kShorter)) files.remove_file(directory / name);  // a kill has left it behind
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    second = std::max<std::int64_t>(second, std::strtoll(name.c_str() + std::strlen(kPrefix), nullptr, 10) + 1);
    const std::string text = read_text(files, directory / name);
    const EventPrefix kept = kept_events(text, cut);
    if (kept.events == 0)
      files.remove_file(directory / name);
    else {  // also where all of it is kept: whoever of an earlier attempt still has it open then writes into nothing
      write_text_durably(files, directory / kShorter, std::string_view(text).substr(0, kept.bytes));
      files.rename_over(directory / kShorter, directory / name);
    }
  }
  return fmt::format("{}{:010}.{}{}", kPrefix, second, host_name(), kSuffix);
}

}  // namespace

TensorBoardLog::TensorBoardLog(FileSystem& files, const Clock& clock, const Path& directory, const KeptMetrics& kept) : clock_(clock) {
  make_directories(files, directory);
  file_.emplace(directory / cut_back(files, directory, kept, clock.unix_seconds()), clock.unix_seconds());
  files.sync_directory(directory);
  file_->write_start(now(kept.step + 1));
}

void TensorBoardLog::write(const nlohmann::json& line) {
  const EventTime time = now(line.at("step").get<std::int64_t>());
  nlohmann::json facts = line;
  facts.erase("step");
  facts.erase("wall_clock");
  for (const auto& [name, number] : numbers_of(facts, '/'))
    file_->write_scalar(time, fmt::format("{}/{}", line.at("kind").get<std::string>(), name), number.get<double>());
  const nlohmann::json all_texts = line.value("texts", nlohmann::json::object());
  for (const auto& [name, texts] : all_texts.items())
    for (std::size_t i = 0; i < texts.size(); ++i)
      write_code(time, fmt::format("{}/{}/{}", line.at("kind").get<std::string>(), name, i), texts[i]);
  if (!line.contains("wall_clock")) return;
  nlohmann::json rates = line["wall_clock"];
  rates.erase("unix_seconds");  // every event has its own
  for (const auto& [name, number] : numbers_of(rates, '/')) file_->write_scalar(time, "throughput/" + name, number.get<double>());
}

void TensorBoardLog::write_configuration(std::int64_t step, const std::string& yaml) { write_code(now(step), "configuration", yaml); }

void TensorBoardLog::write_code(const EventTime& time, const std::string& tag, const std::string& text) {
  std::istringstream lines(text);
  std::string code;
  for (std::string line; std::getline(lines, line);) code += "    " + line + "\n";  // Markdown's code block
  file_->write_text(time, tag, code);
}

void TensorBoardLog::write_histogram(std::int64_t step, const std::string& tag, std::span<const float> values) {
  const Histogram histogram = histogram_of(values);
  if (histogram.count > 0) file_->write_histogram(now(step), tag, histogram);
}

void TensorBoardLog::sync() { file_->sync(); }

}  // namespace holdfast
