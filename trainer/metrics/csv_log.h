// metrics.csv: the numbers of metrics.jsonl as a table, for spreadsheets and pandas. One row a line, a column for each number under the
// path of its keys (lr.main); what a row does not have is empty. A number that is new gets a column at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "trainer/metrics/appended_file.h"

namespace holdfast {

class CsvLog {
 public:
  /// Keeps the rows whose step is at most `step`, whole ones, and appends from there. Throws StorageError, as all of them do.
  CsvLog(FileSystem& files, const Path& path, std::int64_t step);
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
