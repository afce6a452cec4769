#include "trainer/callback_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "trainer/thrown.h"

namespace holdfast {

using nlohmann::json;

namespace {

bool is_finite(const json& value) {
  if (value.is_structured()) return std::all_of(value.begin(), value.end(), is_finite);
  return !value.is_number_float() || std::isfinite(value.get<double>());
}

bool is_of_numbers(const json& value) {
  return value.is_object() ? std::all_of(value.begin(), value.end(), is_of_numbers) : value.is_number();
}

}  // namespace

CallbackList::CallbackList(const Configuration& configuration, const Registry& registry, const ComponentContext& context) {
  for (const auto& [name, options] : configuration.callbacks)
    callbacks_.push_back({name, options.type, registry.make_callback(name, options, context)});
}

void CallbackList::call(const Named& named, const char* method, const std::function<void(Callback&)>& call) {
  try {
    call(*named.callback);
  } catch (const PeerLost&) {
    throw;
  } catch (...) {
    throw Error(fmt::format("callbacks.{}, {}: {}", named.name, method, words_of(std::current_exception())), kExitSoftware);
  }
}

void CallbackList::each(const char* method, const std::function<void(Callback&)>& call_one) const {
  for (const Named& named : callbacks_) call(named, method, call_one);
}

void CallbackList::tell_of(const std::exception& error, const RunView& view) const {
  for (const Named& named : callbacks_) try {
      call(named, "on_exception", [&](Callback& callback) { callback.on_exception(view, error); });
    } catch (const std::exception& another) {
      log_error("{}", another.what());  // the attempt ends because of the first
    }
}

void CallbackList::add_metrics(json& line) const {
  each("add_metrics", [&](Callback& callback) {
    json added = json::object();
    callback.add_metrics(added);
    for (const auto& [key, value] : added.items()) {
      if (!is_of_numbers(value)) throw std::logic_error(fmt::format("'{}' is no number: {}", key, value.dump()));
      if (line.contains(key)) throw std::logic_error(fmt::format("the line has a '{}' already", key));
      line[key] = value;
    }
  });
}

json CallbackList::texts() const {
  json all = json::object();
  for (const Named& named : callbacks_)
    call(named, "texts", [&](Callback& callback) {
      const json texts = callback.texts();
      if (!texts.empty()) all[named.name] = json::parse(texts.dump(-1, ' ', false, json::error_handler_t::replace));
    });
  return all;
}

json CallbackList::state() const {
  json states = json::object();
  for (const Named& named : callbacks_)
    call(named, "state", [&](Callback& callback) {
      json state = callback.state();
      if (state.is_null()) return;
      static_cast<void>(state.dump());  // throws where a text is not UTF-8
      if (!is_finite(state)) throw std::logic_error("a number is not finite, which JSON cannot hold; number_to_json writes it as a text");
      states[named.name] = {{"type", named.type}, {"state", std::move(state)}};
    });
  return states;
}

void CallbackList::restore(const json& states) const {
  for (const Named& named : callbacks_) try {
      if (!states.contains(named.name) || states[named.name].at("type") != named.type) continue;
      call(named, "restore", [&](Callback& callback) { callback.restore(states[named.name].at("state")); });
    } catch (const std::exception& error) {
      throw ConfigError(ErrorText{.attempted = "go on with the state that the checkpoint has of a callback",
                                  .cause = error.what(),
                                  .next = fmt::format("give callbacks.{} another name: it begins anew", named.name)});
    }
}

std::string CallbackList::agree_on_end(Communicator& ranks) const {
  const auto may_end = [](const Named& named) { return named.callback->may_end(); };
  if (std::none_of(callbacks_.begin(), callbacks_.end(), may_end)) return "";
  std::string mine;
  for (const Named& named : callbacks_)
    call(named, "end_reason", [&](Callback& callback) {
      const auto reason = callback.may_end() ? callback.end_reason() : std::nullopt;
      if (!reason || !mine.empty()) return;
      static_cast<void>(json(*reason).dump());  // UTF-8: DONE.json has it
      mine = fmt::format("{}: {}", named.name, *reason);
    });
  Vote vote;
  if (!mine.empty()) vote.stop_rank = ranks.rank();
  const Vote all = ranks.vote(vote);
  return is_set(all.stop_rank) ? broadcast_text(ranks, mine, all.stop_rank) : "";
}

}  // namespace holdfast
