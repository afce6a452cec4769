#include "tasks/built_in.h"

#include "base/error.h"
#include "options/read.h"
#include "tasks/gpt.h"
#include "tasks/image_classifier.h"

namespace holdfast {
namespace {

template <class Options>
Options read(const OptionTree& tree) {
  Options options;
  read_options(tree, options);
  return options;
}

void require_count(std::size_t count, bool is_good, const char* option, const char* expected) {
  if (!is_good) throw ConfigError(ErrorText{.attempted = option, .expected = expected, .found = std::to_string(count) + " numbers"});
}

}  // namespace

void register_built_in_tasks(Registry& registry) {
  registry.add_task("mlp", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<MlpOptions>(tree);
    require_count(options.widths.size(), options.widths.size() >= 2, "task.options.widths", "at least two numbers");
    return make_mlp(options);
  });
  registry.add_task("cnn", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<CnnOptions>(tree);
    require_count(options.dropout.size(), options.dropout.size() == 2, "task.options.dropout", "two probabilities");
    return make_cnn(options);
  });
  registry.add_task("gpt", [](const OptionTree& tree, const ComponentContext&) { return make_gpt(read<GptOptions>(tree)); });
}

}  // namespace holdfast
