#include "launch/shim/log_tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/text_file.h"

namespace holdfast {
namespace {

// What is sent of a log has to fit into one message of a LineConnection (64 KiB), where a byte may take six.
constexpr std::size_t kLongestLine = 8 << 10;
// Of a rank that prints without end only the newest is shown; the log file has it all. Six times as much has to fit into what a
// LineConnection lets wait (1 MiB).
constexpr std::uint64_t kMostBytes = 128 << 10;
constexpr std::size_t kMostLines = 1000;

std::uint64_t size_of_file(const Path& path) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path, missing);
  return missing ? 0 : size;
}

std::string read_from(const Path& path, std::uint64_t offset) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  return rest_of(file);
}

}  // namespace

std::vector<std::string> last_lines(const Path& path, std::size_t count) {
  constexpr std::uint64_t kMost = kLongestLine;
  const std::uint64_t size = size_of_file(path);
  std::istringstream text(read_from(path, size > kMost ? size - kMost : 0));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

LogTail::LogTail(Path path) : path_(std::move(path)), position_(size_of_file(path_)) {}

std::vector<std::string> LogTail::new_lines() {
  std::vector<std::string> lines;
  const std::uint64_t size = size_of_file(path_);
  if (size <= position_) return lines;
  std::uint64_t left_out = 0;
  if (size - position_ > kMostBytes) {
    left_out = size - kMostBytes - position_;
    position_ = size - kMostBytes;
    partial_.clear();
    is_cut_ = false;
  }
  const std::string text = read_from(path_, position_);
  position_ += text.size();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::size_t room = kLongestLine - partial_.size();
    partial_.append(text, begin, std::min(end - begin, room));
    is_cut_ = is_cut_ || end - begin > room;
    if (end < text.size()) {
      lines.push_back(partial_ + (is_cut_ ? "…" : ""));
      partial_.clear();
      is_cut_ = false;
    }
    begin = end + 1;
  }
  const auto first = lines.begin() + static_cast<std::ptrdiff_t>(lines.size() - std::min(lines.size(), kMostLines));
  for (auto line = lines.begin(); line != first; ++line) left_out += line->size() + 1;
  lines.erase(lines.begin(), first);
  if (left_out > 0)
    lines.insert(lines.begin(), fmt::format("… {} KiB of output are not shown; {} has them", (left_out + 1023) >> 10, path_.string()));
  return lines;
}

}  // namespace holdfast
