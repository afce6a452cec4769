#include "apps/commands/checkpoint/verdicts.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/host.h"

namespace holdfast {
namespace {

using nlohmann::json;

Path file_for(const Path& directory) {
  const Path cache = user_cache_directory();
  return cache.is_absolute() ? cache / "verified" / (to_hex(digest_of(directory.string())) + ".json") : Path();
}

}  // namespace

std::string stamp_of(const Path& checkpoint) {
  std::vector<std::string> lines;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(checkpoint, error), end; !error && at != end; at.increment(error)) {
    struct stat facts {};
    if (::stat(at->path().c_str(), &facts) != 0) return "";
    lines.push_back(fmt::format("{} {} {} {}.{} {}.{}\n", at->path().lexically_relative(checkpoint).string(), facts.st_size, facts.st_ino,
                                facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec, facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec));
  }
  if (error || lines.empty()) return "";
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return to_hex(digest_of(text));
}

Verdicts::Verdicts(FileSystem& files, const Path& directory)
    : files_(files), directory_(std::filesystem::weakly_canonical(directory.empty() ? Path(".") : directory)), file_(file_for(directory_)) {
  if (file_.empty()) return;
  try {
    if (files_.kind(file_) != FileKind::file) return;
    const json stored = json::parse(read_text(files_, file_));
    for (const auto& [name, record] : stored.at("checkpoints").items())
      records_[name] = {record.at("stamp"), {record.at("is_sound"), record.at("unix_seconds"), record.at("finding")}};
  } catch (const std::exception&) {
    records_.clear();  // unreadable or torn: it is made anew
  }
}

std::optional<Verdict> Verdicts::find(const Path& checkpoint) const {
  const auto found = records_.find(checkpoint.filename().string());
  if (found == records_.end() || found->second.stamp != stamp_of(checkpoint)) return std::nullopt;
  return found->second.verdict;
}

void Verdicts::remember(const Path& checkpoint, const std::string& stamp, const Verdict& verdict) {
  std::erase_if(records_, [&](const auto& record) { return files_.kind(directory_ / record.first) == FileKind::none; });
  if (!stamp.empty()) records_[checkpoint.filename().string()] = {stamp, verdict};
}

void Verdicts::save() const {
  if (file_.empty()) return;
  json checkpoints = json::object();
  for (const auto& [name, record] : records_)
    checkpoints[name] = {{"stamp", record.stamp},
                         {"is_sound", record.verdict.is_sound},
                         {"unix_seconds", record.verdict.unix_seconds},
                         {"finding", record.verdict.finding}};
  make_directories(files_, file_.parent_path());
  write_text_durably(files_, file_, json{{"directory", directory_.string()}, {"checkpoints", std::move(checkpoints)}}.dump(2) + "\n");
}

}  // namespace holdfast
