#include "trainer/metrics/csv_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "trainer/metrics/numbers.h"

namespace holdfast {
namespace {

constexpr const char* kFirstColumns = "kind,step";

/// No cell is quoted, so that a row is cut at its commas.
std::string column_of(std::string name) {
  for (char& c : name)
    if (c == ',' || c == '"' || c == '\n' || c == '\r') c = '_';
  return name;
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells(1);
  for (const char c : row) {
    if (c == ',')
      cells.emplace_back();
    else
      cells.back() += c;
  }
  return cells;
}

std::string header_of(const std::vector<std::string>& columns) {
  return columns.empty() ? fmt::format("{}\n", kFirstColumns) : fmt::format("{},{}\n", kFirstColumns, fmt::join(columns, ","));
}

bool is_kept(const std::vector<std::string>& cells, std::size_t columns, MetricsCut& cut) {
  if (cells.size() != columns + 2) return false;  // torn
  const auto number = nlohmann::json::parse(cells[1], nullptr, /*allow_exceptions=*/false);
  return number.is_number_integer() && cut.keeps(number.get<std::int64_t>(), cells[0]);
}

}  // namespace

CsvLog::CsvLog(FileSystem& files, const Path& path, const KeptMetrics& metrics) : files_(files), path_(path) {
  std::istringstream rows(files.kind(path) == FileKind::file ? read_text(files, path) : std::string());
  std::string kept, row;
  MetricsCut cut(metrics);
  if (std::getline(rows, row) && row.starts_with(kFirstColumns)) {
    columns_ = cells_of(row);
    columns_.erase(columns_.begin(), columns_.begin() + 2);
    while (std::getline(rows, row))
      if (!rows.eof() && is_kept(cells_of(row), columns_.size(), cut)) kept += row + "\n";
  }
  write_text_durably(files, path, header_of(columns_) + kept);
  file_.emplace(path);
}

void CsvLog::write(const nlohmann::json& line) {
  std::map<std::string, std::string> cells;
  std::vector<std::string> added;
  for (const auto& [name, number] : numbers_of(line, '.')) {
    if (name == "step") continue;
    const std::string column = column_of(name);
    cells[column] = number.is_number_float() ? fmt::format("{}", number.get<double>()) : number.dump();
    if (std::find(columns_.begin(), columns_.end(), column) == columns_.end()) added.push_back(column);
  }
  if (!added.empty()) add_columns(added);
  std::string row = fmt::format("{},{}", line.at("kind").get<std::string>(), line.at("step").get<std::int64_t>());
  for (const std::string& column : columns_) row += "," + cells[column];
  file_->append(row + "\n");
}

void CsvLog::add_columns(const std::vector<std::string>& names) {
  std::istringstream rows(read_text(files_, path_));
  columns_.insert(columns_.end(), names.begin(), names.end());
  std::string text = header_of(columns_), row;
  for (std::getline(rows, row); std::getline(rows, row);) text += row + std::string(names.size(), ',') + "\n";
  write_text_durably(files_, path_, text);
  file_.emplace(path_);
}

void CsvLog::sync() { file_->sync(); }

}  // namespace holdfast
