#include "data/built_in.h"

#include "base/error.h"
#include "data/idx.h"
#include "data/random.h"
#include "data/text.h"
#include "options/read.h"

namespace holdfast {
namespace {

/// `file` as it is meant in a configuration in `directory`.
Path resolve(const ComponentContext& context, const std::string& file) {
  const Path path(file);
  return path.is_absolute() ? path : Path(context.directory) / path;
}

void require(const OptionTree& tree, const char* key, const std::string& value) {
  if (value.empty())
    throw ConfigError(
        ErrorText{.attempted = tree.locate(key, std::string("data.options.") + key), .expected = "the path of a file", .found = "nothing"});
}

DataSources make_idx(const OptionTree& tree, const ComponentContext& context) {
  IdxOptions options;
  read_options(tree, options);
  require(tree, "train_images", options.train_images);
  require(tree, "train_labels", options.train_labels);
  if (options.test_images.empty() != options.test_labels.empty())
    throw ConfigError(ErrorText{
        .attempted = tree.locate(options.test_images.empty() ? "test_labels" : "test_images", "data.options.test_images and test_labels"),
        .expected = "both or none",
        .found = "one of them"});
  if (context.is_check_only) return {};
  DataSources sources{.training = open_idx(resolve(context, options.train_images), resolve(context, options.train_labels), options)};
  if (!options.test_images.empty())
    sources.validation = open_idx(resolve(context, options.test_images), resolve(context, options.test_labels), options);
  return sources;
}

DataSources make_text(const OptionTree& tree, const ComponentContext& context) {
  TextOptions options;
  read_options(tree, options);
  require(tree, "file", options.file);
  if (context.is_check_only) return {};
  return open_text(resolve(context, options.file), options);
}

DataSources make_random_from(const OptionTree& tree, const ComponentContext& context) {
  RandomOptions options;
  read_options(tree, options);
  return context.is_check_only ? DataSources{} : make_random(options);
}

}  // namespace

void register_built_in_data(Registry& registry) {
  registry.add_data("idx", make_idx);
  registry.add_data("text", make_text);
  registry.add_data("random", make_random_from);
}

}  // namespace holdfast
