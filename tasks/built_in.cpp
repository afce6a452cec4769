#include "tasks/built_in.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include "base/error.h"
#include "options/read.h"
#include "tasks/gpt.h"
#include "tasks/image_classifier.h"
#include "tasks/script.h"

namespace holdfast {
namespace {

template <class Options>
Options read(const OptionTree& tree) {
  Options options;
  read_options(tree, options);
  return options;
}

/// Each once, and below the number of classes: everything is among all of them.
void require_top_k(const OptionTree& tree, const std::vector<std::int64_t>& top_k, std::int64_t classes) {
  for (const std::int64_t k : top_k)
    if (k >= classes || std::count(top_k.begin(), top_k.end(), k) > 1)
      throw ConfigError(ErrorText{.attempted = tree.locate("top_k", "task.options.top_k"),
                                  .expected = "numbers below " + std::to_string(classes) + ", the number of classes, each once",
                                  .found = std::to_string(k)});
}

void require_count(const OptionTree& tree, const char* key, std::size_t count, bool is_good, const char* expected) {
  if (is_good) return;
  throw ConfigError(ErrorText{.attempted = tree.locate(key, std::string("task.options.") + key),
                              .expected = expected,
                              .found = std::to_string(count) + " numbers"});
}

std::unique_ptr<Task> make_script_from(const OptionTree& tree, const ComponentContext& context) {
  auto options = read<ScriptOptions>(tree);
  const auto refuse = [&tree](const char* key, ErrorText text) {
    text.attempted = tree.locate(key, std::string("task.options.") + key);
    return ConfigError(text);
  };
  if (options.file.empty()) throw refuse("file", {.expected = "the path of a file", .found = "nothing"});
  if (options.label_smoothing != 0 && options.loss != ScriptLoss::cross_entropy)
    throw refuse("label_smoothing", {.expected = "0 with this loss", .found = std::to_string(options.label_smoothing)});
  if (!options.top_k.empty() && options.loss != ScriptLoss::cross_entropy)
    throw refuse("top_k", {.expected = "none with this loss", .found = "some"});
  require_top_k(tree, options.top_k, std::numeric_limits<std::int64_t>::max());
  options.file = (std::filesystem::path(context.directory) / options.file).lexically_normal().string();
  const auto refuse_file = [&](const std::string& cause) {
    return refuse("file", {.expected = "a TorchScript file",
                           .found = options.file,
                           .cause = cause,
                           .next = "write one in Python: torch.jit.script(model).save(\"model.pt\")"});
  };
  try {
    return make_script(options);
  } catch (const c10::Error& error) {
    throw refuse_file(error.what_without_backtrace());
  } catch (const std::invalid_argument& error) {
    throw refuse_file(error.what());
  }
}

}  // namespace

void register_built_in_tasks(Registry& registry) {
  registry.add_task("mlp", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<MlpOptions>(tree);
    require_count(tree, "widths", options.widths.size(), options.widths.size() >= 2, "at least two numbers");
    require_top_k(tree, options.top_k, options.widths.back());
    return make_mlp(options);
  });
  registry.add_task("cnn", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<CnnOptions>(tree);
    require_count(tree, "dropout", options.dropout.size(), options.dropout.size() == 2, "two probabilities");
    require_top_k(tree, options.top_k, options.classes);
    return make_cnn(options);
  });
  registry.add_task("gpt", [](const OptionTree& tree, const ComponentContext&) {
    const auto options = read<GptOptions>(tree);
    if (options.width % options.heads != 0)
      throw ConfigError(ErrorText{.attempted = tree.locate("width", "task.options.width"),
                                  .expected = "a multiple of heads (" + std::to_string(options.heads) + ")",
                                  .found = std::to_string(options.width)});
    const auto is_token = [&](char letter) { return static_cast<unsigned char>(letter) < options.vocabulary; };
    if (options.sample_prompt.empty() || !std::all_of(options.sample_prompt.begin(), options.sample_prompt.end(), is_token))
      throw ConfigError(ErrorText{.attempted = tree.locate("sample_prompt", "task.options.sample_prompt"),
                                  .expected = "bytes below vocabulary (" + std::to_string(options.vocabulary) + "), at least one",
                                  .found = "'" + options.sample_prompt + "'"});
    return make_gpt(options);
  });
  registry.add_task("torchscript", make_script_from);
}

}  // namespace holdfast
