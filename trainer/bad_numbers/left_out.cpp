#include "trainer/bad_numbers/left_out.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_value.h"

namespace holdfast {

using nlohmann::json;

namespace {

json to_json(const LeftOutEntry& entry) {
  return {{"samples", {entry.samples.first, entry.samples.end}}, {"step", entry.step},      {"rank", entry.rank}, {"cause", entry.cause},
          {"action", entry.is_rollback ? "rollback" : "skip"},   {"attempt", entry.attempt}};
}

std::string text_of(const std::vector<LeftOutEntry>& entries) {
  json list = json::array();
  for (const LeftOutEntry& entry : entries) list.push_back(to_json(entry));
  return json{{"left_out", std::move(list)}}.dump(2) + "\n";
}

/// Only `samples` is needed, so that a list can be written by hand.
std::vector<LeftOutEntry> entries_from(const std::string& text) {
  std::vector<LeftOutEntry> entries;
  const json stored = json::parse(text);
  for (const json& one : list_from_json(stored.at("left_out")))
    entries.push_back({.samples = ranges_from_json(json::array({one.at("samples")})).front(),
                       .step = one.value("step", std::int64_t{0}),
                       .rank = one.value("rank", -1),
                       .cause = one.value("cause", ""),
                       .is_rollback = one.value("action", "") == "rollback",
                       .attempt = one.value("attempt", 0)});
  return entries;
}

}  // namespace

void LeftOut::read() {
  std::string text, storage_problem, problem;
  if (ranks_.rank() == 0) try {
      if (files_.kind(file_) == FileKind::file) text = read_text(files_, file_);
      if (!text.empty()) static_cast<void>(entries_from(text));
    } catch (const StorageError& error) {
      storage_problem = error.what();
    } catch (const std::exception& error) {
      problem = to_string({.attempted = "read which samples the run leaves out, in " + file_.string(),
                           .expected = R"({"left_out": [{"samples": [FIRST, END]}, ...]})",
                           .cause = error.what(),
                           .next = "mend the file, or remove it: then nothing is left out but what the checkpoint says"});
    }
  if (const std::string told = broadcast_text(ranks_, storage_problem, 0); !told.empty()) throw StorageError(told);
  if (const std::string told = broadcast_text(ranks_, problem, 0); !told.empty()) throw ConfigError(told);
  text = broadcast_text(ranks_, text, 0);
  if (!text.empty()) entries_ = entries_from(text);
}

void LeftOut::begin(std::optional<int> oldest_attempt, const std::vector<SampleRange>& of_state) {
  if (!oldest_attempt) {
    entries_.clear();
    on_rank_0([this] {
      if (files_.kind(file_) == FileKind::file) files_.remove_file(file_);
    });
  }
  std::erase_if(entries_, [&](const LeftOutEntry& entry) { return entry.attempt < oldest_attempt.value_or(0); });
  for (const SampleRange& range : of_state) take(range);
  for (const LeftOutEntry& entry : entries_) take(entry.samples);
}

void LeftOut::on_rank_0(const std::function<void()>& change) {
  std::string problem;
  if (ranks_.rank() == 0) try {
      change();
    } catch (const std::exception& error) {
      problem = error.what();
    }
  problem = broadcast_text(ranks_, problem, 0);
  if (!problem.empty()) throw StorageError(problem);
}

void LeftOut::take(SampleRange range) {
  const auto place = std::lower_bound(ranges_.begin(), ranges_.end(), range);
  if (place == ranges_.end() || *place != range) ranges_.insert(place, range);
}

std::optional<SampleRange> LeftOut::at(std::int64_t samples_seen) const {
  for (const SampleRange& range : ranges_)
    if (range.first <= samples_seen && samples_seen < range.end) return range;
  return std::nullopt;
}

std::vector<SampleRange> LeftOut::before(std::int64_t samples_seen) const {
  std::vector<SampleRange> behind;
  std::copy_if(ranges_.begin(), ranges_.end(), std::back_inserter(behind),
               [&](const SampleRange& range) { return range.end <= samples_seen; });
  return behind;
}

std::int64_t LeftOut::rollbacks() const {
  return std::count_if(entries_.begin(), entries_.end(), [](const LeftOutEntry& entry) { return entry.is_rollback; });
}

void LeftOut::add(const LeftOutEntry& entry) {
  entries_.push_back(entry);
  on_rank_0([this] { write_text_durably(files_, file_, text_of(entries_)); });
  take(entry.samples);
}

}  // namespace holdfast
