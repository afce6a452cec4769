// The description of `precision`, and what its keys say together.
#include <fmt/format.h>

#include "base/error.h"
#include "options/refusal.h"
#include "options/run_options.h"

namespace holdfast {

void PrecisionOptions::describe(FieldVisitor& visitor) {
  visitor.choice({.name = "compute",
                  .doc = "`bf16`, `fp16`: what gains by it (matrix products, convolutions, attention) computes with 16 bits; all else, and "
                         "parameters, gradients and optimizers, with 32.",
                  .synonyms = "dtype type precision mixed autocast",
                  .choice_synonyms = kNumberFormatSynonyms},
                 compute, kNumberFormatNames);
  visitor.field(
      {.name = "gradient_scaler",
       .doc = "`fp16` only: the backward pass starts from the loss times a scale, so that small gradients do not become zero. Where "
              "they overflow the update is not made, and the scale falls. false: the scale is 1.",
       .synonyms = "grad_scaler loss_scaling scaler enabled"},
      gradient_scaler);
  visitor.field({.name = "init_scale",
                 .doc = "The scale that a run begins with. Powers of two change no digit of a gradient.",
                 .min = 0,
                 .max = 1e12,
                 .min_is_excluded = true,
                 .synonyms = "initial_scale loss_scale scale"},
                init_scale);
  visitor.field({.name = "growth_factor", .doc = "By which the scale grows.", .min = 1, .max = 1e6}, growth_factor);
  visitor.field({.name = "backoff_factor",
                 .doc = "By which it falls.",
                 .min = 0,
                 .max = 1,
                 .min_is_excluded = true,
                 .max_is_excluded = true,
                 .synonyms = "backoff"},
                backoff_factor);
  visitor.field({.name = "growth_interval",
                 .doc = "It grows after so many updates in a row that were made.",
                 .unit = "updates",
                 .min = 1,
                 .synonyms = "loss_scale_window interval"},
                growth_interval);
  visitor.field({.name = "min_scale",
                 .doc = "It does not fall below this. A gradient that is not finite even so is a bad number (`trainer.on_nonfinite`).",
                 .min = 0,
                 .max = 1e12,
                 .min_is_excluded = true,
                 .synonyms = "min_loss_scale minimum"},
                min_scale);
}

void require_consistent(const PrecisionOptions& precision, const OptionTree& tree) {
  const PrecisionOptions defaults;
  const KeysOfTypes keys(tree, "precision", name_of(precision.compute));
  const auto require_fp16 = [&keys](std::string_view key, bool is_changed) { keys.require_owner(key, is_changed, {"fp16"}); };
  require_fp16("gradient_scaler", precision.gradient_scaler != defaults.gradient_scaler);
  require_fp16("init_scale", precision.init_scale != defaults.init_scale);
  require_fp16("growth_factor", precision.growth_factor != defaults.growth_factor);
  require_fp16("backoff_factor", precision.backoff_factor != defaults.backoff_factor);
  require_fp16("growth_interval", precision.growth_interval != defaults.growth_interval);
  require_fp16("min_scale", precision.min_scale != defaults.min_scale);
  if (precision.init_scale < precision.min_scale)
    refuse_at(tree, "precision.init_scale",
              {.expected = fmt::format("at least min_scale ({})", precision.min_scale), .found = fmt::format("{}", precision.init_scale)});
}

}  // namespace holdfast
