// Names of tasks, data sources and transforms of weights, built in or brought by plugins. An object that is passed around, not a global.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "options/run_options.h"
#include "trainer/data_source.h"
#include "trainer/task.h"
#include "trainer/transform.h"

namespace holdfast {

/// What a factory may need beside its options.
struct ComponentContext {
  std::string directory;                    // of the configuration file: relative paths start here
  bool is_check_only = false;               // check the options, touch no data
  OptionTree configuration = OptionTree();  // the whole, for the places of its keys in messages
};

class Registry {
 public:
  using TaskFactory = std::function<std::unique_ptr<Task>(const OptionTree&, const ComponentContext&)>;
  /// Returns empty sources when context.is_check_only.
  using DataFactory = std::function<DataSources(const OptionTree&, const ComponentContext&)>;

  /// Its own options are `options` of what it gets.
  using TransformFactory = std::function<std::unique_ptr<Transform>(const TransformOptions&, const ComponentContext&)>;

  /// Throws ConfigError when the name is taken.
  void add_task(const std::string& name, TaskFactory factory);
  void add_data(const std::string& name, DataFactory factory);
  void add_transform(const std::string& name, TransformFactory factory);
  /// Throws ConfigError for an unknown name, listing the known ones; options are checked by the factory.
  std::unique_ptr<Task> make_task(const ComponentOptions& options, const ComponentContext& context) const;
  DataSources make_data(const DataOptions& options, const ComponentContext& context) const;
  /// What the configuration has as transforms.NAME.
  std::unique_ptr<Transform> make_transform(const std::string& name, const TransformOptions& options,
                                            const ComponentContext& context) const;

 private:
  std::map<std::string, TaskFactory> tasks_;
  std::map<std::string, DataFactory> data_;
  std::map<std::string, TransformFactory> transforms_;
};

/// Opens a plugin (RTLD_NOW | RTLD_LOCAL, never closed) and calls its one entry point,
///   extern "C" void holdfast_register(holdfast::Registry&);
/// Throws ConfigError: file missing, symbol missing, unresolved names.
void load_plugin(const std::string& path, Registry& registry);

}  // namespace holdfast
