#include "checkpoint/engine/checkpointer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/host.h"
#include "checkpoint/engine/answers.h"

namespace holdfast {

using nlohmann::json;

namespace {

/// What all ranks together write, without the heads.
std::uint64_t bytes_of_all(const std::vector<StateEntry>& entries, int world_size) {
  std::uint64_t bytes = 0;
  for (const StateEntry& entry : entries)
    bytes += entry.info.bytes() * (entry.info.kind == TensorKind::per_rank ? static_cast<std::uint64_t>(world_size) : 1);
  return bytes;
}

/// Each state's copies follow it.
void give_ids(json& parts) {
  std::string original;
  for (json& part : parts) {
    part["id"] = random_token();
    if (part["copy"] == "") original = part["id"];
    part["original"] = original;
  }
}

}  // namespace

Checkpointer::Checkpointer(Dependencies dependencies, RunLayout layout, std::vector<CheckpointOptions> entries, int attempt)
    : ranks_(dependencies.ranks),
      files_(dependencies.files),
      clock_(dependencies.clock),
      sections_(dependencies.sections),
      layout_(std::move(layout)),
      attempt_(attempt),
      store_(files_, layout_.checkpoints(), std::move(entries), attempt),
      start_seconds_(clock_.seconds()) {}

bool Checkpointer::begin_save(Snapshot snapshot, Boundary boundary) {
  if (in_flight_) throw std::logic_error("a save is in flight already");
  sections_.enter(Section::checkpoint, snapshot.global_step);
  auto save = std::make_unique<InFlight>();
  save->snapshot = std::move(snapshot);
  save->begin_seconds = clock_.seconds();
  save->is_emergency = boundary.interruption == Interruption::exception;
  if (!agree_on_parts(*save, std::move(boundary))) return false;
  require_complete(save->snapshot.entries);
  ++save_number_;
  sections_.saving(save->snapshot.global_step);
  in_flight_ = std::move(save);
  if (!in_flight_->has_failed_everywhere)
    for (std::size_t i = 0; i < in_flight_->parts.size(); ++i)
      in_flight_->parts[i].failure = failure_of([&] { begin_shard(*in_flight_, i); });
  return true;
}

void Checkpointer::require_complete(const std::vector<StateEntry>& entries) {
  std::vector<TensorInfo> now;
  for (const StateEntry& entry : entries) now.push_back(entry.info);
  if (now == saved_tensors_) return;
  std::unordered_map<std::string_view, const TensorInfo*> by_name;
  for (const TensorInfo& info : now) by_name[info.name] = &info;
  for (const TensorInfo& before : saved_tensors_) {
    const auto found = by_name.find(before.name);
    if (found != by_name.end() && *found->second == before) continue;
    throw Error(
        to_string(ErrorText{.attempted = "save " + before.name,
                            .expected = describe(before) + ", as in the checkpoint before",
                            .found = found == by_name.end() ? "no such tensor" : describe(*found->second),
                            .next = "what a task registers once it has to keep: a run could not go on from a checkpoint without it"}),
        kExitSoftware);
  }
  saved_tensors_ = std::move(now);
}

bool Checkpointer::agree_on_parts(InFlight& save, Boundary boundary) {
  settle();
  json plan = {{"parts", json::array()}, {"failure", ""}};
  if (ranks_.rank() == 0) {
    boundary.minutes = minutes();
    save.decision = store_.decide(boundary);
    asked_ = save.decision.next;
    for (const StateDecision* state : {&save.decision.whole, &save.decision.weights}) {
      if (!state->writes()) continue;
      std::vector<std::string> copies = state->transforms;
      copies.insert(copies.begin(), "");
      for (const std::string& copy : copies) {
        plan["parts"].push_back({{"state", directory_name(state->name)}, {"copy", copy}});
        // One that cannot be made needs no space.
        failure_of([&] { save.bytes += bytes_of_all(entries_of(save.snapshot, {.state = state->name, .copy = copy}), ranks_.size()); });
      }
    }
    if (save.decision.writes())
      plan["failure"] = failure_of([&] {
        give_ids(plan["parts"]);
        store_.prepare(save.decision, save.bytes);
      });
  }
  plan = json::parse(broadcast_text(ranks_, dump_any(plan), 0));
  for (const json& part : plan["parts"])
    save.parts.push_back({.state = parse_directory_name(part["state"].get<std::string>()).value(),
                          .copy = part["copy"],
                          .id = part.value("id", ""),
                          .original = part.value("original", "")});
  save.failure = plan["failure"].get<std::string>();
  save.has_failed_everywhere = !save.failure.empty();
  return !save.parts.empty();
}

std::vector<StateEntry> Checkpointer::entries_of(const Snapshot& snapshot, const SavePart& part) {
  std::vector<StateEntry> entries;
  if (!part.copy.empty()) {
    const auto known = std::find_if(snapshot.transforms.begin(), snapshot.transforms.end(),
                                    [&](const TransformedWeights& transform) { return transform.name == part.copy; });
    if (known == snapshot.transforms.end()) throw std::logic_error("no transform is called " + part.copy);
    entries = known->entries();
  } else {
    entries = part.state.is_weights ? weights_of(snapshot.entries) : snapshot.entries;
  }
  entries.push_back(step_entry(snapshot.global_step));
  if (snapshot.changes_at_any_time)
    for (StateEntry& entry : entries) entry.changes_only_in_update = false;
  return entries;
}

void Checkpointer::begin_shard(InFlight& save, std::size_t number) {
  SavePart& part = save.parts[number];
  part.entries = entries_of(save.snapshot, part);
  std::vector<Part> slices = parts_of_rank(part.entries, ranks_.rank(), ranks_.size());
  std::vector<ShardPiece> pieces;
  for (const Part& slice : slices) pieces.push_back({part.entries[slice.entry].info, slice.slice});
  ShardImage& image = images_[(part.state.is_weights ? "weights/" : "step/") + part.copy];
  if (pieces != image.layout().pieces) image = ShardImage(lay_out_shard(std::move(pieces), ranks_.rank(), ranks_.size()));
  if (ranks_.rank() == 0) {
    part.facts = std::async(std::launch::async, [this, &save, &part] { return facts_text(facts_of(save, part)); });
  }
  // Of the first part alone: the others are made of the same memory.
  const bool is_compared = number == 0 && ranks_.size() > 1;
  const std::int64_t step = save.snapshot.global_step;
  part.shard = std::make_unique<ShardSave>(ShardSave::Job{
      .files = files_,
      .path = directory_of(part) / shard_name(ranks_.rank(), ranks_.size()),
      .host = host_name(),
      .image = image,
      .entries = part.entries,
      .parts = std::move(slices),
      .replicas = is_compared ? replicated_parts(part.entries, checked_rank(ranks_.rank(), ranks_.size(), save_number_), ranks_.size())
                              : std::vector<Part>{},
      .half_way = [this, step] { sections_.point_in(Section::checkpoint, step); }});
}

void Checkpointer::finish_staging() {
  if (!in_flight_) return;
  const SectionTracker::Charge charge(sections_, TimeCause::checkpoint);
  for (const SavePart& part : in_flight_->parts)
    if (part.shard) part.shard->finish_staging();
}

void Checkpointer::add_facts_to(Vote& mine) const {
  mine.shard_ended = mine.commit_ended = save_number_;
  if (ranks_.rank() == 0 && is_time_up(store_.policy(), asked_, minutes())) mine.is_time_up = 1;
  if (!in_flight_) return;
  const auto is_running = [](const SavePart& part) { return part.shard && !part.shard->is_done(); };
  if (std::any_of(in_flight_->parts.begin(), in_flight_->parts.end(), is_running)) mine.shard_ended = save_number_ - 1;
  const bool is_published = ranks_.rank() == 0 && in_flight_->is_publishing &&
                            in_flight_->publication.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  mine.commit_ended = is_published ? save_number_ : save_number_ - 1;
}

std::optional<SaveResult> Checkpointer::advance(const Vote& combined) {
  if (!in_flight_) return std::nullopt;
  const SectionTracker::Charge charge(sections_, TimeCause::checkpoint);
  if (!in_flight_->is_publishing && !in_flight_->has_failed_everywhere) {
    if (combined.shard_ended >= save_number_) collect();
    return std::nullopt;
  }
  if (!in_flight_->has_failed_everywhere && combined.commit_ended < save_number_) return std::nullopt;
  return conclude();
}

std::optional<SaveResult> Checkpointer::finish_save() {
  if (!in_flight_) return std::nullopt;
  const SectionTracker::Charge charge(sections_, TimeCause::checkpoint);
  if (!in_flight_->is_publishing && !in_flight_->has_failed_everywhere) collect();
  return conclude();
}

void Checkpointer::save(const Snapshot& snapshot, const Boundary& boundary) {
  if (!begin_save(snapshot, boundary)) return;
  const SaveResult result = finish_save().value();
  settle();
  if (!result.failure.empty()) throw StorageError(result.failure);
}

void Checkpointer::settle() {
  if (!publishing_.valid()) return;
  const SectionTracker::Charge charge(sections_, TimeCause::checkpoint);
  publishing_.get();
}

}  // namespace holdfast
