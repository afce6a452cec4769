#include "trainer/registry.h"

#include <dlfcn.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "options/nearest.h"

namespace holdfast {
namespace {

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, factory] : map) names.push_back(name);
  return names;
}

template <class Map>
const typename Map::mapped_type& find(const Map& map, const char* kind, const std::string& name, const OptionTree& configuration) {
  const auto found = map.find(name);
  if (found == map.end()) {
    const std::vector<std::string> names = names_of(map);
    const auto near = nearest(name, names);
    throw ConfigError(ErrorText{.attempted = configuration.locate(fmt::format("{}.name", kind), fmt::format("{}.name", kind)),
                                .expected = fmt::format("one of: {}", fmt::join(names, ", ")),
                                .found = fmt::format("'{}'", name),
                                .cause = near ? fmt::format("did you mean '{}'?", names[*near]) : "",
                                .next = "one of your own comes from the plugin that `task: {plugin: ./libmine.so}` names"});
  }
  return found->second;
}

}  // namespace

void Registry::add_task(const std::string& name, TaskFactory factory) {
  if (!tasks_.emplace(name, std::move(factory)).second) throw ConfigError("register the task '" + name + "': the name is taken");
}

void Registry::add_data(const std::string& name, DataFactory factory) {
  if (!data_.emplace(name, std::move(factory)).second) throw ConfigError("register the data source '" + name + "': the name is taken");
}

std::unique_ptr<Task> Registry::make_task(const ComponentOptions& options, const ComponentContext& context) const {
  return find(tasks_, "task", options.name, context.configuration)(options.options, context);
}

DataSources Registry::make_data(const DataOptions& options, const ComponentContext& context) const {
  return find(data_, "data", options.name, context.configuration)(options.options, context);
}

void load_plugin(const std::string& path, Registry& registry) {
  const std::string attempted = "load the plugin " + path;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    throw ConfigError(ErrorText{.attempted = attempted, .cause = ::dlerror(), .next = "build it against this version of Holdfast"});
  using Entry = void (*)(Registry&);
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, "holdfast_register"));
  if (!entry)
    throw ConfigError(ErrorText{
        .attempted = attempted, .expected = "the entry point `extern \"C\" void holdfast_register(holdfast::Registry&)`", .found = "none"});
  entry(registry);
}

}  // namespace holdfast
