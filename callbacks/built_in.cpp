#include "callbacks/built_in.h"

#include "base/error.h"
#include "callbacks/early_stopping.h"
#include "callbacks/gradient_norm.h"
#include "callbacks/samples.h"
#include "callbacks/time_limit.h"
#include "options/read.h"

namespace holdfast {

void register_built_in_callbacks(Registry& registry) {
  registry.add_callback("early_stopping", [](const CallbackOptions& callback, const ComponentContext& context) {
    EarlyStoppingOptions options;
    read_options(callback.options, options);
    require_consistent(options, callback.options, context.metrics);
    return std::make_unique<EarlyStopping>(options);
  });
  registry.add_callback("gradient_norm", [](const CallbackOptions& callback, const ComponentContext&) {
    GradientNormOptions options;
    read_options(callback.options, options);
    return std::make_unique<GradientNorm>();
  });
  registry.add_callback("samples", [](const CallbackOptions& callback, const ComponentContext& context) {
    SamplesOptions options;
    read_options(callback.options, options);
    if (!context.task->has_samples())
      throw ConfigError(ErrorText{.attempted = context.configuration.where("callbacks") + ": a callback of type samples",
                                  .expected = "a task that has samples to show (gpt; one of your own: Task::samples)",
                                  .found = "one that has none",
                                  .next = "remove the callback"});
    return std::make_unique<Samples>(options, *context.task);
  });
  registry.add_callback("time_limit", [](const CallbackOptions& callback, const ComponentContext&) {
    TimeLimitOptions options;
    read_options(callback.options, options);
    return std::make_unique<TimeLimit>(options);
  });
}

}  // namespace holdfast
