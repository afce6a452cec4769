// `transforms:`: what their keys mean, alone and together.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/name.h"
#include "options/nearest.h"
#include "options/plugin_field.h"
#include "options/refusal.h"
#include "options/run_options.h"

namespace holdfast {

void TransformOptions::describe(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, HalfType> kHalves[] = {{"bf16", HalfType::bf16}, {"fp16", HalfType::fp16}};
  visitor.field(
      {.name = "type",
       .doc = "`ema`: an exponential moving average, which the run keeps up and stores with its state. `half`: numbers of 16 bits. "
              "`scale`: times `factor`. Or the name of one that a plugin registers. Integer and boolean tensors stay as they are.",
       .synonyms = "name kind"},
      type);
  visitor.field({.name = "of",
                 .doc = "The name of a transform of type `ema`, whose weights are taken. Empty: those of the model.",
                 .synonyms = "source input"},
                of);
  describe_average(visitor);
  visitor.choice(
      {.name = "precision", .doc = "`half` only: the type of numbers.", .synonyms = "dtype", .choice_synonyms = kNumberFormatSynonyms},
      precision, kHalves);
  visitor.field({.name = "factor", .doc = "`scale` only: what each number is multiplied by.", .min = -1e9, .max = 1e9, .synonyms = "scale"},
                factor);
  describe_plugin_of_type(visitor, plugin);
  visitor.subtree({.name = "options", .doc = "The options of a registered type, which it checks itself.", .synonyms = "config params args"},
                  options);
}

void TransformOptions::describe_average(FieldVisitor& visitor) {
  visitor.field({.name = "decay",
                 .doc = "`ema` only: how much of the average stays when a new state comes in.",
                 .min = 0,
                 .max = 1,
                 .max_is_excluded = true},
                decay);
  visitor.field({.name = "every_steps",
                 .doc = "`ema` only: takes in every so many updates, counted from `start_step`.",
                 .unit = "updates",
                 .min = 1,
                 .synonyms = "update_every_n_steps every"},
                every_steps);
  visitor.field({.name = "start_step",
                 .doc = "`ema` only: up to this update the average is the weights themselves.",
                 .unit = "updates",
                 .min = 0,
                 .synonyms = "start update_starting_at_step warmup_steps"},
                start_step);
  visitor.field({.name = "buffers",
                 .doc = "`ema` only: averages the model's buffers of floating-point numbers (running statistics) too. false: they stay as "
                        "they are.",
                 .synonyms = "use_buffers"},
                buffers);
}

namespace {

class TransformRules {
 public:
  TransformRules(const Configuration& configuration, const OptionTree& tree) : configuration_(configuration), tree_(tree) {
    for (const auto& [name, transform] : configuration.transforms) (transform.type == kAverageType ? averages_ : others_).push_back(name);
  }

  void run() const {
    for (const auto& [name, transform] : configuration_.transforms) check(name, transform);
    std::vector<std::string> all = averages_;
    all.insert(all.end(), others_.begin(), others_.end());
    for (std::size_t i = 0; i < configuration_.checkpoints.size(); ++i) {
      const std::vector<std::string>& names = configuration_.checkpoints[i].transforms;
      for (std::size_t k = 0; k < names.size(); ++k) require_known(fmt::format("checkpoints.{}.transforms.{}", i, k), names[k], all, "");
    }
    if (!configuration_.validation.weights.empty()) check_validation();
  }

 private:
  [[noreturn]] void refuse(const std::string& path, ErrorText text) const { refuse_at(tree_, path, std::move(text)); }

  void require_known(const std::string& path, const std::string& name, const std::vector<std::string>& known, const char* what) const {
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    refuse(path, unknown_word(fmt::format("a name under transforms{}", what), name, known));
  }

  void check_validation() const {
    const std::string& weights = configuration_.validation.weights;
    require_known("validation.weights", weights, averages_, " of type ema");
    for (std::size_t i = 0; i < configuration_.checkpoints.size(); ++i) {
      const CheckpointOptions& entry = configuration_.checkpoints[i];
      if (entry.load_best_at_end && std::find(entry.transforms.begin(), entry.transforms.end(), weights) == entry.transforms.end())
        refuse(fmt::format("checkpoints.{}.load_best_at_end", i),
               {.expected = fmt::format("{} among the entry's transforms", weights),
                .found = "it is not stored",
                .cause = "the validation measures that average, so it is what is best",
                .next = fmt::format("add `transforms: [{}]` to the entry {}", weights, entry.name)});
    }
  }

  void check(const std::string& name, const TransformOptions& transform) const {
    const std::string path = "transforms." + name;
    const TransformOptions defaults;
    if (is_reserved_name(name))
      refuse(path,
             {.expected = "another name", .found = fmt::format("'{}'", name), .cause = "states have such names, and a copy lies in one"});
    if (transform.type.empty())
      refuse(path + ".type",
             {.expected = fmt::format("{}, or a type that a plugin registers", fmt::join(kBuiltInTransforms, ", ")), .found = "none"});
    const KeysOfTypes keys(tree_, path, transform.type);
    keys.require_owner("decay", transform.decay != defaults.decay, {kAverageType});
    keys.require_owner("every_steps", transform.every_steps != defaults.every_steps, {kAverageType});
    keys.require_owner("start_step", transform.start_step != defaults.start_step, {kAverageType});
    keys.require_owner("buffers", transform.buffers != defaults.buffers, {kAverageType});
    keys.require_owner("precision", transform.precision != defaults.precision, {kHalfType});
    keys.require_owner("factor", transform.factor != defaults.factor, {kScaleType});
    const bool is_built_in =
        std::find(std::begin(kBuiltInTransforms), std::end(kBuiltInTransforms), transform.type) != std::end(kBuiltInTransforms);
    if (is_built_in && !transform.plugin.empty())
      refuse(path + ".plugin", {.expected = "none with a built-in type", .found = transform.plugin, .cause = "it would have no effect"});
    if (is_built_in && !transform.options.to_json().empty())
      refuse(path + ".options", {.expected = "none with a built-in type", .found = "some", .cause = "its keys stand beside `type`"});
    if (transform.of.empty()) return;
    if (transform.type == kAverageType)
      refuse(path + ".of", {.expected = "none with ema", .found = transform.of, .cause = "an average is one of the model's weights"});
    require_known(path + ".of", transform.of, averages_, " of type ema");
  }

  const Configuration& configuration_;
  const OptionTree& tree_;
  std::vector<std::string> averages_, others_;
};

}  // namespace

void require_consistent_transforms(const Configuration& configuration, const OptionTree& tree) {
  TransformRules(configuration, tree).run();
}

}  // namespace holdfast
