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

void require_count(const OptionTree& tree, const char* key, std::size_t count, bool is_good, const char* expected) {
  if (is_good) return;
  throw ConfigError(ErrorText{.attempted = tree.locate(key, std::string("task.options.") + key),
                              .expected = expected,
                              .found = std::to_string(count) + " numbers"});
}

}  // namespace

void register_built_in_tasks(Registry& registry) {
  registry.add_task("mlp", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<MlpOptions>(tree);
    require_count(tree, "widths", options.widths.size(), options.widths.size() >= 2, "at least two numbers");
    return make_mlp(options);
  });
  registry.add_task("cnn", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<CnnOptions>(tree);
    require_count(tree, "dropout", options.dropout.size(), options.dropout.size() == 2, "two probabilities");
    return make_cnn(options);
  });
  registry.add_task("gpt", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<GptOptions>(tree);
    if (options.width % options.heads != 0)
      throw ConfigError(ErrorText{.attempted = tree.locate("width", "task.options.width"),
                                  .expected = "a multiple of heads (" + std::to_string(options.heads) + ")",
                                  .found = std::to_string(options.width)});
    return make_gpt(options);
  });
}

}  // namespace holdfast
