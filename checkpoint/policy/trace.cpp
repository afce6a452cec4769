#include "checkpoint/policy/trace.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <sstream>

#include "base/error.h"
#include "base/json_value.h"
#include "options/nearest.h"

namespace holdfast {
namespace {

using nlohmann::json;
using Kind = TraceEvent::Kind;

constexpr std::pair<const char*, Kind> kEvents[] = {
    {"start", Kind::start},   {"batch", Kind::batch},   {"epoch_end", Kind::epoch_end}, {"validation", Kind::validation},
    {"time", Kind::time},     {"signal", Kind::signal}, {"exception", Kind::exception}, {"train_end", Kind::train_end},
    {"resume", Kind::resume}, {"remove", Kind::remove}};

class LineReader {
 public:
  LineReader(std::string file, std::int64_t line) : where_(fmt::format("{}:{}", file, line)), line_(line) {}

  TraceEvent read(const std::string& text) {
    try {
      source_ = json::parse(text);
    } catch (const json::exception& error) {
      refuse({.expected = "one JSON object", .cause = error.what()});
    }
    if (!source_.is_object() || !source_.contains("event")) refuse({.expected = "a JSON object with `event`", .found = source_.dump()});
    TraceEvent event{.kind = kind(), .where = where_, .line = line_};
    read_keys(event);
    return event;
  }

 private:
  [[noreturn]] void refuse(ErrorText text) const {
    text.attempted = where_ + ": read an event";
    if (text.next.empty()) text.next = "docs/retention.md has the format of a trace";
    throw ConfigError(text);
  }

  Kind kind() const {
    std::vector<std::string> names;
    for (const auto& [name, kind] : kEvents) {
      if (source_["event"] == name) return kind;
      names.emplace_back(name);
    }
    refuse({.expected = fmt::format("an event ({})", fmt::join(names, ", ")), .found = source_["event"].dump()});
  }

  void read_keys(TraceEvent& event) const {
    using Reader = std::function<void(const json&)>;
    std::map<std::string, Reader> keys = {{"event", [](const json&) {}}, {"note", [](const json&) {}}};
    const bool is_run = event.kind == Kind::start || event.kind == Kind::resume;
    if (event.kind == Kind::batch) {
      keys["count"] = [&](const json& value) { event.count = positive(value); };
      keys["updates"] = [&](const json& value) { event.has_update = has_update(value); };
      keys["accumulating"] = [&](const json& value) { event.is_accumulating = value.get<bool>(); };
    }
    if (event.kind == Kind::validation) keys["sanity_check"] = [&](const json& value) { event.is_sanity_check = value.get<bool>(); };
    if (event.kind == Kind::batch || event.kind == Kind::validation)
      keys["metrics"] = [&](const json& value) { read_metrics(value, event); };
    if (event.kind == Kind::time) keys["minutes"] = [&](const json& value) { event.minutes = value.get<double>(); };
    if (is_run) {
      keys["directory"] = [&](const json& value) { event.directory = value.get<std::string>(); };
      keys["total_steps"] = [&](const json& value) { event.total_steps = positive(value); };
    }
    if (event.kind == Kind::start) keys["updates_per_epoch"] = [&](const json& value) { event.updates_per_epoch = positive(value); };
    if (event.kind == Kind::start) keys["metrics"] = [&](const json& value) { event.known_metrics = value.get<std::set<std::string>>(); };
    if (event.kind == Kind::resume) {
      keys["from"] = [&](const json& value) { event.name = value.get<std::string>(); };
      keys["checkpoints"] = [&](const json& value) { event.policy = value; };
    }
    if (event.kind == Kind::remove) keys["name"] = [&](const json& value) { event.name = value.get<std::string>(); };
    for (const auto& [key, value] : source_.items()) {
      const auto reader = keys.find(key);
      if (reader == keys.end()) refuse_key(key, keys);
      try {
        reader->second(value);
      } catch (const json::exception& error) {
        refuse({.expected = fmt::format("another value of `{}`", key), .found = value.dump(), .cause = error.what()});
      }
    }
    if ((event.kind == Kind::resume || event.kind == Kind::remove) && event.name.empty())
      refuse({.expected = event.kind == Kind::resume ? "`from`" : "`name`", .found = source_.dump()});
  }

  template <class Keys>
  [[noreturn]] void refuse_key(const std::string& key, const Keys& keys) const {
    std::vector<std::string> names;
    for (const auto& [name, reader] : keys) names.push_back(name);
    refuse(unknown_word("a key of this event", key, names));
  }

  std::int64_t positive(const json& value) const {
    if (!value.is_number_integer() || value.get<std::int64_t>() < 1) refuse({.expected = "1 or more", .found = value.dump()});
    return value.get<std::int64_t>();
  }

  /// A number, or one for each optimizer: however many step in a batch, it is one step of the run.
  static bool has_update(const json& value) {
    if (!value.is_object()) return value.get<std::int64_t>() > 0;
    bool has_any = false;
    for (const auto& [optimizer, updates] : value.items()) has_any = has_any || updates.get<std::int64_t>() > 0;
    return has_any;
  }

  static void read_metrics(const json& value, TraceEvent& event) {
    for (const auto& [name, number] : value.get<std::map<std::string, json>>()) event.metrics[name] = number_from_json(number);
  }

  std::string where_;
  std::int64_t line_;
  json source_;
};

}  // namespace

std::vector<TraceEvent> read_trace(const std::string& text, const std::string& file) {
  std::vector<TraceEvent> events;
  std::istringstream lines(text);
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") != line.npos) events.push_back(LineReader(file, number).read(line));
  }
  return events;
}

}  // namespace holdfast
