#include "trainer/callbacks.h"

namespace holdfast {

using nlohmann::json;

Callbacks::Callbacks(const Configuration& configuration, const Registry& registry, const ComponentContext& context) {
  for (const auto& [name, options] : configuration.callbacks)
    callbacks_.push_back({name, options.type, registry.make_callback(name, options, context)});
}

json Callbacks::state() const {
  json states = json::object();
  for (const Named& named : callbacks_)
    if (json state = named.callback->state(); !state.is_null()) states[named.name] = {{"type", named.type}, {"state", std::move(state)}};
  return states;
}

void Callbacks::restore(const json& states) {
  for (const Named& named : callbacks_) try {
      if (states.contains(named.name) && states[named.name].at("type") == named.type)
        named.callback->restore(states[named.name].at("state"));
    } catch (const std::exception& error) {
      throw CorruptCheckpoint(ErrorText{.attempted = fmt::format("restore the callback {} of type {}", named.name, named.type),
                                        .cause = error.what(),
                                        .next = "give the callback another name: it begins anew"});
    }
}

std::string Callbacks::agree_on_end(Communicator& ranks) const {
  if (callbacks_.empty()) return "";
  std::string mine;
  for (const Named& named : callbacks_)
    if (const auto reason = named.callback->end_reason(); reason && mine.empty()) mine = fmt::format("{}: {}", named.name, *reason);
  Vote vote;
  if (!mine.empty()) vote.stop_rank = ranks.rank();
  const Vote all = ranks.vote(vote);
  return is_set(all.stop_rank) ? broadcast_text(ranks, mine, all.stop_rank) : "";
}

}  // namespace holdfast
