#include "trainer/metrics_log.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"

namespace holdfast {
namespace {

std::string lines_up_to(const std::string& text, std::int64_t step) {
  std::string kept;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_discarded() && json.value("step", step + 1) <= step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(FileSystem& files, const Path& path, std::int64_t step) : path_(path), file_(nullptr, &std::fclose) {
  const bool exists = files.kind(path) == FileKind::file;
  write_text_durably(files, path, exists ? lines_up_to(read_text(files, path), step) : std::string());
  file_.reset(std::fopen(path.c_str(), "ae"));
  if (!file_) throw StorageError(ErrorText{.attempted = "open " + path.string(), .cause = std::strerror(errno)});
}

void MetricsLog::write(const nlohmann::json& line) {
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0)
    throw StorageError(ErrorText{.attempted = "write " + path_.string(), .cause = std::strerror(errno)});
}

void MetricsLog::sync() {
  if (::fsync(::fileno(file_.get())) != 0)
    throw StorageError(ErrorText{.attempted = "fsync " + path_.string(), .cause = std::strerror(errno)});
}

}  // namespace holdfast
