#include "trainer/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "options/nearest.h"
#include "trainer/plugins/plugin.h"

namespace holdfast {
namespace {

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : map) names.push_back(name);
  return names;
}

template <class Map>
const typename Map::mapped_type& find(const Map& map, const std::string& key, const std::string& name, const OptionTree& configuration) {
  const auto found = map.find(name);
  if (found == map.end()) {
    const std::vector<std::string> names = names_of(map);
    const auto near = nearest(name, names);
    throw ConfigError(ErrorText{.attempted = configuration.locate(key, key),
                                .expected = fmt::format("one of: {}", fmt::join(names, ", ")),
                                .found = fmt::format("'{}'", name),
                                .cause = near ? fmt::format("did you mean '{}'?", names[*near]) : "",
                                .next = "one of your own comes from a plugin: `plugin: ./libmine.so` beside it"});
  }
  return found->second;
}

template <class T>
bool is_missing(const std::unique_ptr<T>& made, const ComponentContext&) {
  return !made;
}

bool is_missing(const DataSources& made, const ComponentContext& context) { return !made.training && !context.is_check_only; }

}  // namespace

template <class Factory>
void Registry::add(Entries<Factory>& entries, const char* kind, const std::string& name, Factory factory) {
  const auto [place, is_new] = entries.emplace(name, Entry<Factory>{std::move(factory), registering_});
  if (is_new) return;
  const std::string& holder = place->second.plugin;
  const std::string taken_by = holder.empty()           ? "a built-in one has it"
                               : holder == registering_ ? "it has registered that name before"
                                                        : "the plugin " + holder + " has it";
  const std::string of = registering_.empty() ? "" : " of the plugin " + registering_;
  throw ConfigError(ErrorText{.attempted = fmt::format("register the {} '{}'{}", kind, name, of),
                              .expected = "a name that is free",
                              .found = "one that is taken",
                              .cause = taken_by});
}

template <class Factory, class... Arguments>
auto Registry::make(const Entries<Factory>& entries, const char* kind, const std::string& key, const std::string& name,
                    const ComponentContext& context, const Arguments&... arguments) const {
  const Entry<Factory>& entry = find(entries, key, name, context.configuration);
  if (entry.plugin.empty()) return entry.factory(arguments..., context);
  std::optional<typename Factory::result_type> made;
  call_plugin(entry.plugin, fmt::format("the {} '{}'", kind, name), heartbeat_, [&] {
    made = entry.factory(arguments..., context);
    if (is_missing(*made, context)) throw std::logic_error("its factory returns none");
  });
  return std::move(*made);
}

void Registry::add_task(const std::string& name, TaskFactory factory) { add(tasks_, "task", name, std::move(factory)); }
void Registry::add_data(const std::string& name, DataFactory factory) { add(data_, "data source", name, std::move(factory)); }
void Registry::add_transform(const std::string& name, TransformFactory factory) { add(transforms_, "transform", name, std::move(factory)); }
void Registry::add_callback(const std::string& name, CallbackFactory factory) { add(callbacks_, "callback", name, std::move(factory)); }

std::unique_ptr<Task> Registry::make_task(const ComponentOptions& options, const ComponentContext& context) const {
  return make(tasks_, "task", "task.name", options.name, context, options.options);
}

DataSources Registry::make_data(const DataOptions& options, const ComponentContext& context) const {
  return make(data_, "data source", "data.name", options.name, context, options.options);
}

std::unique_ptr<Transform> Registry::make_transform(const std::string& name, const TransformOptions& options,
                                                    const ComponentContext& context) const {
  return make(transforms_, "transform", fmt::format("transforms.{}.type", name), options.type, context, options);
}

std::unique_ptr<Callback> Registry::make_callback(const std::string& name, const CallbackOptions& options,
                                                  const ComponentContext& context) const {
  return make(callbacks_, "callback", fmt::format("callbacks.{}.type", name), options.type, context, options);
}

void Registry::load_plugin(const std::string& path) {
  require_built_like_this(path);
  registering_ = path;
  using EntryPoint = decltype(&holdfast_register);
  EntryPoint entry = nullptr;
  call_plugin(path, "the initialisation", heartbeat_,
              [&] { entry = reinterpret_cast<EntryPoint>(open_plugin(path, "holdfast_register")); });
  call_plugin(path, "holdfast_register", heartbeat_, [&] { entry(*this); });
}

}  // namespace holdfast
