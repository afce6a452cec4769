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

}  // namespace

void Registry::add_task(const std::string& name, TaskFactory factory) {
  if (!tasks_.emplace(name, std::move(factory)).second) throw ConfigError("register the task '" + name + "': the name is taken");
}

void Registry::add_data(const std::string& name, DataFactory factory) {
  if (!data_.emplace(name, std::move(factory)).second) throw ConfigError("register the data source '" + name + "': the name is taken");
}

std::unique_ptr<Task> Registry::make_task(const ComponentOptions& options, const ComponentContext& context) const {
  return find(tasks_, "task.name", options.name, context.configuration)(options.options, context);
}

DataSources Registry::make_data(const DataOptions& options, const ComponentContext& context) const {
  return find(data_, "data.name", options.name, context.configuration)(options.options, context);
}

void Registry::add_transform(const std::string& name, TransformFactory factory) {
  if (!transforms_.emplace(name, std::move(factory)).second) throw ConfigError("register the transform '" + name + "': the name is taken");
}

std::unique_ptr<Transform> Registry::make_transform(const std::string& name, const TransformOptions& options,
                                                    const ComponentContext& context) const {
  return find(transforms_, fmt::format("transforms.{}.type", name), options.type, context.configuration)(options, context);
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
