// Names of tasks, data sources, transforms of weights and callbacks, built in or brought by plugins. An object that is passed around, not a
// global.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/heartbeat.h"
#include "options/run_options.h"
#include "trainer/callback.h"
#include "trainer/data_source.h"
#include "trainer/plugins/plugin_record.h"
#include "trainer/task.h"
#include "trainer/transform.h"

namespace holdfast {

/// What a factory may need beside its options.
struct ComponentContext {
  std::string directory;                    // of the configuration file: relative paths start here
  bool is_check_only = false;               // check the options, touch no data
  OptionTree configuration = OptionTree();  // the whole, for the places of its keys in messages
  Task* task = nullptr;                     // of callbacks: that of the run, which outlives them
  std::vector<std::string> metrics = {};    // of callbacks: those that the run measures, train_loss, val_loss, ...
};

class Registry {
 public:
  using TaskFactory = std::function<std::unique_ptr<Task>(const OptionTree&, const ComponentContext&)>;
  /// Returns empty sources when context.is_check_only.
  using DataFactory = std::function<DataSources(const OptionTree&, const ComponentContext&)>;
  /// Its own options are `options` of what it gets.
  using TransformFactory = std::function<std::unique_ptr<Transform>(const TransformOptions&, const ComponentContext&)>;
  /// Likewise. None of the factories returns null.
  using CallbackFactory = std::function<std::unique_ptr<Callback>(const CallbackOptions&, const ComponentContext&)>;

  /// `heartbeat` (may be null) tells the shim of a plugin whose code ends this process.
  explicit Registry(Heartbeat* heartbeat = nullptr) : heartbeat_(heartbeat) {}

  /// Throw ConfigError when the name is taken, saying by whom.
  void add_task(const std::string& name, TaskFactory factory);
  void add_data(const std::string& name, DataFactory factory);
  void add_transform(const std::string& name, TransformFactory factory);
  void add_callback(const std::string& name, CallbackFactory factory);

  /// Throw ConfigError for an unknown name, listing the known ones; options are checked by the factory. What else the factory of a plugin
  /// throws becomes an Error that names the plugin, and a crash in it is told with its name.
  std::unique_ptr<Task> make_task(const ComponentOptions& options, const ComponentContext& context) const;
  DataSources make_data(const DataOptions& options, const ComponentContext& context) const;
  /// What the configuration has as transforms.NAME.
  std::unique_ptr<Transform> make_transform(const std::string& name, const TransformOptions& options,
                                            const ComponentContext& context) const;
  /// What the configuration has as callbacks.NAME.
  std::unique_ptr<Callback> make_callback(const std::string& name, const CallbackOptions& options, const ComponentContext& context) const;

  /// Opens a plugin (RTLD_NOW | RTLD_LOCAL, never closed) and calls holdfast_register; after the built-in ones. Throws ConfigError: file
  /// missing, built with something else than this program, symbol missing, unresolved names, a name that is taken. What else it throws
  /// meanwhile becomes an Error that names it.
  void load_plugin(const std::string& path);

 private:
  template <class Factory>
  struct Entry {
    Factory factory;
    std::string plugin;  // that has registered it; empty: built in
  };
  template <class Factory>
  using Entries = std::map<std::string, Entry<Factory>>;

  template <class Factory>
  void add(Entries<Factory>& entries, const char* kind, const std::string& name, Factory factory);
  template <class Factory, class... Arguments>
  auto make(const Entries<Factory>& entries, const char* kind, const std::string& key, const std::string& name,
            const ComponentContext& context, const Arguments&... arguments) const;

  Heartbeat* heartbeat_;
  std::string registering_;  // the plugin that was opened last; empty: built-in ones register
  Entries<TaskFactory> tasks_;
  Entries<DataFactory> data_;
  Entries<TransformFactory> transforms_;
  Entries<CallbackFactory> callbacks_;
};

}  // namespace holdfast

/// The one entry point of a plugin, which the plugin defines.
extern "C" [[gnu::visibility("default")]] void holdfast_register(holdfast::Registry& registry);
