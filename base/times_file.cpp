#include "base/times_file.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "base/text_file.h"

namespace holdfast {

using nlohmann::json;

bool write_times_file(const Path& path, const TimesFile& file) noexcept try {
  const json stored = {{"rank", file.rank},
                       {"host", file.host},
                       {"unix_seconds", file.unix_seconds},
                       {"is_ended", file.is_ended},
                       {"times", to_json(file.times)}};
  const Path unfinished = path.string() + ".tmp";
  {
    std::ofstream stream(unfinished);
    stream << stored.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    if (!stream.flush()) return false;
  }
  std::filesystem::rename(unfinished, path);
  return true;
} catch (const std::exception&) {
  return false;
}

std::optional<TimesFile> read_times_file(const Path& path) try {
  const json stored = json::parse(text_of_file(path));
  const std::optional<TimeRecord> times = time_record_from_json(stored.at("times"));
  if (!times) return std::nullopt;
  return TimesFile{.rank = stored.at("rank"),
                   .host = stored.at("host"),
                   .unix_seconds = stored.at("unix_seconds"),
                   .is_ended = stored.at("is_ended"),
                   .times = *times};
} catch (const json::exception&) {
  return std::nullopt;
}

}  // namespace holdfast
