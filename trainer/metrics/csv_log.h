// metrics.csv: the numbers of metrics.jsonl as a table, for spreadsheets and pandas. One row a line, a column for each number under the
// path of its keys (lr.main); what a row does not have is empty. A number that is new gets a column at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "trainer/metrics/appended_file.h"
#include "trainer/metrics/kept_metrics.h"

namespace holdfast {

class CsvLog {
 public:
  /// Drops what is not to be kept, and a torn last row, and appends from there. Throws StorageError, as all of them do.
  CsvLog(FileSystem& files, const Path& path, const KeptMetrics& kept);
  void write(const nlohmann::json& line);
  void sync();

 private:
  void add_columns(const std::vector<std::string>& names);
  FileSystem& files_;
  Path path_;
  std::vector<std::string> columns_;  // after kind and step
  std::optional<AppendedFile> file_;
};

}  // namespace holdfast
