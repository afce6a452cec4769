#include "trainer/metrics/metrics_log.h"

#include <nlohmann/json.hpp>
#include <sstream>

namespace holdfast {
namespace {

const Path& cut_back(FileSystem& files, const Path& path, const KeptMetrics& metrics) {
  std::string kept;
  MetricsCut cut(metrics);
  if (files.kind(path) == FileKind::file) {
    std::istringstream lines(read_text(files, path));
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (json.is_object() && cut.keeps(json.value("step", INT64_MAX), json.value("kind", ""))) kept += line + "\n";
    }
  }
  write_text_durably(files, path, kept);
  return path;
}

}  // namespace

MetricsLog::MetricsLog(FileSystem& files, const Path& path, const KeptMetrics& kept) : file_(cut_back(files, path, kept)) {}

void MetricsLog::write(const nlohmann::json& line) { file_.append(line.dump() + "\n"); }

}  // namespace holdfast
