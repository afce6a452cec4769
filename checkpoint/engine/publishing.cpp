// Checkpointer: the end of a save. All ranks hand the records of their shards to rank 0, which writes the manifests and commits.
#include <fmt/format.h>

#include "base/error.h"
#include "base/host.h"
#include "checkpoint/engine/answers.h"
#include "checkpoint/engine/checkpointer.h"

namespace holdfast {

using nlohmann::json;

void Checkpointer::collect() {
  InFlight& save = *in_flight_;
  std::vector<std::vector<std::string>> answers;
  std::string report;
  for (std::size_t i = 0; i < save.parts.size(); ++i) {
    SavePart& part = save.parts[i];
    std::string answer;
    if (part.failure.empty())
      part.failure = failure_of([&] {
        ShardSave::Outcome outcome = part.shard->take();
        answer = std::move(outcome.record);
        if (i > 0) return;
        std::vector<std::vector<Digest>> replicated;
        const std::vector<Part> slices = parts_of_rank(part.entries, ranks_.rank(), ranks_.size());
        for (std::size_t k = 0; k < slices.size(); ++k)
          if (part.entries[slices[k].entry].info.kind == TensorKind::replicated) replicated.push_back(std::move(outcome.blocks[k]));
        report = replica_report(replicated, outcome.replica_blocks);
      });
    if (!part.failure.empty()) answer = failure_answer(part.failure);
    part.shard.reset();
    answers.push_back(ranks_.gather(answer, 0));
  }
  std::vector<std::string> reports = ranks_.gather(report, 0);
  sections_.enter(Section::commit, save.snapshot.global_step);
  sections_.point();
  save.is_publishing = true;
  if (ranks_.rank() != 0) return;
  std::promise<Publication> told;
  save.publication = told.get_future();
  publishing_ = std::async(std::launch::async, [this, answers = std::move(answers), reports = std::move(reports),
                                                told = std::move(told)]() mutable { publish(answers, reports, told); });
}

void Checkpointer::publish(const std::vector<std::vector<std::string>>& answers, const std::vector<std::string>& reports,
                           std::promise<Publication>& told) {
  Publication publication;
  try {
    InFlight& save = *in_flight_;
    for (std::size_t i = 0; i < save.parts.size(); ++i)
      if (save.parts[i].copy.empty() && publication.failure.empty()) publication.failure = failures_in(answers[i]);
    if (publication.failure.empty()) publication.disagreement = find_disagreement(save.parts[0].entries, reports, save_number_);
    if (publication.disagreement) publication.failure = "ranks have different bits in what should be the same";
    if (publication.failure.empty())
      publication.failure = failure_of([&] {
        complete_copies(save, answers, publication);
        commit(save, answers);
      });
    if (!publication.failure.empty()) store_.discard(save.decision);
  } catch (...) {
    told.set_exception(std::current_exception());
    return;
  }
  const bool is_durable = publication.failure.empty();
  told.set_value(std::move(publication));
  if (is_durable) store_.tidy();
}

void Checkpointer::complete_copies(InFlight& save, const std::vector<std::vector<std::string>>& answers, Publication& publication) {
  for (std::size_t i = 0; i < save.parts.size(); ++i) {
    SavePart& part = save.parts[i];
    if (part.copy.empty()) continue;
    std::string failure = failures_in(answers[i]);
    if (failure.empty())
      failure = failure_of([&] { store_.complete_copy(part.state, part.copy, manifest_text(part.facts.get(), answers[i])); });
    if (failure.empty()) continue;
    store_.drop_copy(part.state, part.copy);
    part.failure = failure;
    publication.failed_transforms.push_back(part.copy + ": " + failure);
  }
}

void Checkpointer::commit(InFlight& save, const std::vector<std::vector<std::string>>& answers) {
  CheckpointStore::ManifestTexts texts;
  for (std::size_t i = 0; i < save.parts.size(); ++i) {
    SavePart& part = save.parts[i];
    if (!part.copy.empty()) continue;
    std::vector<std::string> copies;
    for (const SavePart& other : save.parts)
      if (other.state == part.state && !other.copy.empty() && other.failure.empty()) copies.push_back(other.copy);
    (part.state.is_weights ? texts.weights : texts.whole) = manifest_text(part.facts.get(), answers[i], copies);
  }
  store_.commit(save.decision, texts);
}

Checkpointer::Publication Checkpointer::agree_on(const Publication& mine) {
  json told = {{"failure", mine.failure}};
  if (mine.disagreement)
    told["disagreement"] = {mine.disagreement->entry, mine.disagreement->block, mine.disagreement->owner, mine.disagreement->checker};
  told = json::parse(broadcast_text(ranks_, dump_any(told), 0));
  Publication agreed{.failure = told["failure"].get<std::string>(), .disagreement = {}, .failed_transforms = mine.failed_transforms};
  if (told.contains("disagreement")) {
    const json& where = told["disagreement"];
    agreed.disagreement = Disagreement{where[0], where[1], where[2], where[3]};
  }
  return agreed;
}

Manifest Checkpointer::facts_of(const InFlight& save, const SavePart& part) const {
  const StateDecision& decision = part.state.is_weights ? save.decision.weights : save.decision.whole;
  const bool is_whole = part.copy.empty() && !part.state.is_weights;
  Manifest facts{.id = part.id,
                 .global_step = part.state.step,
                 .version = part.state.version,
                 .attempt = attempt_,
                 .world_size = ranks_.size(),
                 .created = utc_time(clock_.unix_seconds()),
                 .is_resumable = is_whole,
                 .entries = decision.savers,
                 .state = save.snapshot.state,
                 .options = save.snapshot.options,
                 .environment = save.snapshot.environment};
  for (const StateEntry& entry : part.entries) facts.tensors.push_back(entry.info);
  if (is_whole) facts.retention = to_json(save.decision.next);
  if (is_whole && save.is_emergency) facts.role = kEmergency;
  if (part.state.is_weights) facts.role = kWeightsOnly;
  if (part.copy.empty()) return facts;
  facts.role = kTransformedPrefix + part.copy;
  facts.original = part.original;
  return facts;
}

SaveResult Checkpointer::conclude() {
  InFlight& save = *in_flight_;
  std::optional<Disagreement> disagreement;
  SaveResult result{.global_step = save.snapshot.global_step, .is_resumable = !save.parts[0].state.is_weights};
  if (!save.has_failed_everywhere) {
    Publication publication = agree_on(ranks_.rank() == 0 ? save.publication.get() : Publication{});
    save.failure = std::move(publication.failure);
    disagreement = publication.disagreement;
    result.failed_transforms = std::move(publication.failed_transforms);
  }
  if (disagreement) save.failure = describe_disagreement(ranks_, save.parts[0].entries, *disagreement);
  result.seconds = clock_.seconds() - save.begin_seconds;
  result.bytes = save.bytes;
  result.is_corruption = disagreement.has_value();
  if (save.failure.empty())
    durable_step_ = result.is_resumable ? result.global_step : durable_step_;
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
