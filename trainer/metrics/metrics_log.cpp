#include "trainer/metrics/metrics_log.h"

#include <nlohmann/json.hpp>
#include <sstream>

namespace holdfast {
namespace {

const Path& cut_back(FileSystem& files, const Path& path, std::int64_t step) {
  std::string kept;
  if (files.kind(path) == FileKind::file) {
    std::istringstream lines(read_text(files, path));
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!json.is_discarded() && json.value("step", step + 1) <= step) kept += line + "\n";
    }
  }
  write_text_durably(files, path, kept);
  return path;
}

}  // namespace

MetricsLog::MetricsLog(FileSystem& files, const Path& path, std::int64_t step) : file_(cut_back(files, path, step)) {}

void MetricsLog::write(const nlohmann::json& line) { file_.append(line.dump() + "\n"); }

}  // namespace holdfast
