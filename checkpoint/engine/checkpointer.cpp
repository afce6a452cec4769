#include "checkpoint/engine/checkpointer.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/host.h"
#include "checkpoint/engine/answers.h"

namespace holdfast {

using nlohmann::json;

namespace {

std::vector<TensorInfo> infos_of(const std::vector<StateEntry>& entries) {
  std::vector<TensorInfo> infos;
  for (const StateEntry& entry : entries) infos.push_back(entry.info);
  return infos;
}

/// What all ranks together write, without the heads.
std::uint64_t bytes_of_all(const std::vector<StateEntry>& entries, int world_size) {
  std::uint64_t bytes = 0;
  for (const StateEntry& entry : entries)
    bytes += entry.info.bytes() * (entry.info.kind == TensorKind::per_rank ? static_cast<std::uint64_t>(world_size) : 1);
  return bytes;
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
  if (!agree_on_name(*save, std::move(boundary))) return false;
  require_complete(save->snapshot.entries);
  save->snapshot.entries.push_back(step_entry(save->snapshot.global_step));
  ++save_number_;
  sections_.saving(save->snapshot.global_step);
  in_flight_ = std::move(save);
  if (in_flight_->failure.empty()) in_flight_->failure = failure_of([this] { begin_shard(*in_flight_); });
  return true;
}

void Checkpointer::require_complete(const std::vector<StateEntry>& entries) {
  std::vector<TensorInfo> now = infos_of(entries);
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

bool Checkpointer::agree_on_name(InFlight& save, Boundary boundary) {
  settle();
  json plan = {{"saves", true}, {"failure", ""}, {"version", 0}};
  if (ranks_.rank() == 0) {
    boundary.minutes = minutes();
    save.decision = store_.decide(boundary);
    asked_ = save.decision.next;
    plan["saves"] = save.decision.saves && save.decision.is_new;
    plan["version"] = save.decision.state.version;
    if (plan["saves"])
      plan["failure"] = failure_of([&] { store_.prepare(save.decision.state, bytes_of_all(save.snapshot.entries, ranks_.size())); });
  }
  plan = json::parse(broadcast_text(ranks_, dump_any(plan), 0));
  save.name = {save.snapshot.global_step, plan["version"].get<int>()};
  save.failure = plan["failure"].get<std::string>();
  save.has_failed_everywhere = !save.failure.empty();
  return plan["saves"].get<bool>();
}

void Checkpointer::begin_shard(InFlight& save) {
  const std::vector<StateEntry>& entries = save.snapshot.entries;
  std::vector<Part> parts = parts_of_rank(entries, ranks_.rank(), ranks_.size());
  std::vector<ShardPiece> pieces;
  for (const Part& part : parts) pieces.push_back({entries[part.entry].info, part.slice});
  if (pieces != image_.layout().pieces) image_ = ShardImage(lay_out_shard(std::move(pieces), ranks_.rank(), ranks_.size()));
  if (ranks_.rank() == 0) save.facts = std::async(std::launch::async, [this, &save] { return facts_text(facts_of(save)); });
  const std::int64_t step = save.snapshot.global_step;
  save.shard = std::make_unique<ShardSave>(ShardSave::Job{
      .files = files_,
      .path = layout_.checkpoints() / store_.pending(save.name) / shard_name(ranks_.rank(), ranks_.size()),
      .host = host_name(),
      .image = image_,
      .entries = entries,
      .parts = std::move(parts),
      .replicas = ranks_.size() > 1 ? replicated_parts(entries, checked_rank(ranks_.rank(), ranks_.size(), save_number_), ranks_.size())
                                    : std::vector<Part>{},
      .half_way = [this, step] { sections_.point_in(Section::checkpoint, step); }});
}

void Checkpointer::finish_staging() {
  if (in_flight_ && in_flight_->shard) in_flight_->shard->finish_staging();
}

void Checkpointer::state_facts(Vote& mine) const {
  mine.shard_ended = mine.commit_ended = save_number_;
  if (ranks_.rank() == 0 && is_time_up(store_.policy(), asked_, minutes())) mine.is_time_up = 1;
  if (!in_flight_) return;
  if (in_flight_->shard && !in_flight_->shard->is_done()) mine.shard_ended = save_number_ - 1;
  const bool is_published = ranks_.rank() == 0 && in_flight_->is_publishing &&
                            in_flight_->publication.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  mine.commit_ended = is_published ? save_number_ : save_number_ - 1;
}

std::optional<SaveResult> Checkpointer::advance(const Vote& combined) {
  if (!in_flight_) return std::nullopt;
  if (!in_flight_->is_publishing && !in_flight_->has_failed_everywhere) {
    if (combined.shard_ended >= save_number_) collect();
    return std::nullopt;
  }
  if (!in_flight_->has_failed_everywhere && combined.commit_ended < save_number_) return std::nullopt;
  return conclude();
}

std::optional<SaveResult> Checkpointer::finish_save() {
  if (!in_flight_) return std::nullopt;
  if (!in_flight_->is_publishing && !in_flight_->has_failed_everywhere) collect();
  return conclude();
}

void Checkpointer::save(const Snapshot& snapshot, const Boundary& boundary) {
  if (!begin_save(snapshot, boundary)) return;
  const SaveResult result = finish_save().value();
  settle();
  if (!result.failure.empty()) throw StorageError(result.failure);
}

void Checkpointer::collect() {
  InFlight& save = *in_flight_;
  std::string answer, report;
  if (save.failure.empty())
    save.failure = failure_of([&] {
      ShardSave::Outcome outcome = save.shard->take();
      answer = std::move(outcome.record);
      std::vector<std::vector<Digest>> replicated;
      const std::vector<Part> parts = parts_of_rank(save.snapshot.entries, ranks_.rank(), ranks_.size());
      for (std::size_t i = 0; i < parts.size(); ++i)
        if (save.snapshot.entries[parts[i].entry].info.kind == TensorKind::replicated) replicated.push_back(std::move(outcome.blocks[i]));
      report = replica_report(replicated, outcome.replica_blocks);
    });
  if (!save.failure.empty()) answer = failure_answer(save.failure);
  save.shard.reset();
  std::vector<std::string> answers = ranks_.gather(answer, 0), reports = ranks_.gather(report, 0);
  sections_.enter(Section::commit, save.snapshot.global_step);
  sections_.point();
  save.is_publishing = true;
  if (ranks_.rank() != 0) return;
  std::promise<Publication> told;
  save.publication = told.get_future();
  publishing_ = std::async(std::launch::async, [this, answers = std::move(answers), reports = std::move(reports),
                                                told = std::move(told)]() mutable { publish(answers, reports, told); });
}

void Checkpointer::publish(const std::vector<std::string>& answers, const std::vector<std::string>& reports,
                           std::promise<Publication>& told) {
  Publication publication{.failure = failures_in(answers)};
  try {
    const InFlight& save = *in_flight_;
    if (publication.failure.empty()) publication.disagreement = find_disagreement(save.snapshot.entries, reports, save_number_);
    if (publication.disagreement) publication.failure = "ranks have different bits in what should be the same";
    if (publication.failure.empty())
      publication.failure = failure_of([&] { store_.commit(save.decision, manifest_text(in_flight_->facts.get(), answers)); });
    if (!publication.failure.empty()) store_.discard(save.name);
  } catch (...) {
    told.set_exception(std::current_exception());
    return;
  }
  const bool is_durable = publication.failure.empty();
  told.set_value(std::move(publication));
  if (is_durable) store_.tidy();
}

Checkpointer::Publication Checkpointer::agree_on(const Publication& mine) {
  json told = {{"failure", mine.failure}};
  if (mine.disagreement)
    told["disagreement"] = {mine.disagreement->entry, mine.disagreement->block, mine.disagreement->owner, mine.disagreement->checker};
  told = json::parse(broadcast_text(ranks_, dump_any(told), 0));
  Publication agreed{.failure = told["failure"].get<std::string>()};
  if (told.contains("disagreement")) {
    const json& where = told["disagreement"];
    agreed.disagreement = Disagreement{where[0], where[1], where[2], where[3]};
  }
  return agreed;
}

void Checkpointer::settle() {
  if (publishing_.valid()) publishing_.get();
}

Manifest Checkpointer::facts_of(const InFlight& save) const {
  return {.id = random_token(),
          .global_step = save.name.step,
          .version = save.name.version,
          .attempt = attempt_,
          .world_size = ranks_.size(),
          .created = utc_time(clock_.unix_seconds()),
          .entries = save.decision.savers(),
          .tensors = infos_of(save.snapshot.entries),
          .retention = to_json(save.decision.next),
          .state = save.snapshot.state,
          .options = save.snapshot.options,
          .environment = save.snapshot.environment};
}

SaveResult Checkpointer::conclude() {
  InFlight& save = *in_flight_;
  std::optional<Disagreement> disagreement;
  if (!save.has_failed_everywhere) {
    Publication publication = agree_on(ranks_.rank() == 0 ? save.publication.get() : Publication{});
    save.failure = std::move(publication.failure);
    disagreement = publication.disagreement;
  }
  if (disagreement) save.failure = describe_disagreement(ranks_, save.snapshot.entries, *disagreement);
  SaveResult result{.global_step = save.snapshot.global_step,
                    .seconds = clock_.seconds() - save.begin_seconds,
                    .is_corruption = disagreement.has_value()};
  if (save.failure.empty())
    durable_step_ = result.global_step;
  else
    result.failure = to_string(
        ErrorText{.attempted = fmt::format("save the checkpoint of step {}", result.global_step),
                  .cause = save.failure,
                  .next = fmt::format("the newest good checkpoint is that of step {}; the next save tries again", durable_step_)});
  in_flight_.reset();
  sections_.saving(-1);
  return result;
}

}  // namespace holdfast
