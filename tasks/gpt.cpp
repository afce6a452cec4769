#include "tasks/gpt.h"

#include <fmt/format.h>
#include <torch/nn/functional/activation.h>
#include <torch/nn/functional/dropout.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "trainer/accuracy.h"
#include "trainer/staged_task.h"

namespace holdfast {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

/// Without a share to drop no random number is drawn.
at::Tensor dropped(const at::Tensor& x, double share, const nn::Module& module) {
  return share == 0 ? x : F::dropout(x, F::DropoutFuncOptions().p(share).training(module.is_training()));
}

struct Block final : nn::Module {
  Block(std::int64_t width, std::int64_t heads_, double dropout_)
      : heads(heads_),
        dropout(dropout_),
        ln1(nn::LayerNormOptions({width})),
        ln2(nn::LayerNormOptions({width})),
        qkv(width, 3 * width),
        proj(width, width),
        up(width, 4 * width),
        down(4 * width, width) {
    register_module("ln1", ln1);
    register_module("ln2", ln2);
    register_module("qkv", qkv);
    register_module("proj", proj);
    register_module("up", up);
    register_module("down", down);
  }

  at::Tensor forward(at::Tensor x) {
    const std::int64_t n = x.size(0), length = x.size(1), width = x.size(2);
    const auto parts = qkv(ln1(x)).split(width, 2);
    const auto by_head = [&](const at::Tensor& part) { return part.view({n, length, heads, width / heads}).transpose(1, 2); };
    const at::Tensor attended =
        at::scaled_dot_product_attention(by_head(parts[0]), by_head(parts[1]), by_head(parts[2]), {}, 0.0, /*is_causal=*/true);
    x = x + dropped(proj(attended.transpose(1, 2).reshape({n, length, width})), dropout, *this);
    return x + dropped(down(F::gelu(up(ln2(x)), F::GELUFuncOptions().approximate("tanh"))), dropout, *this);
  }

  std::int64_t heads;
  double dropout;
  nn::LayerNorm ln1, ln2;
  nn::Linear qkv, proj, up, down;
};

struct GptModule final : nn::Module {
  explicit GptModule(const GptOptions& options)
      : dropout(options.dropout),
        token(options.vocabulary, options.width),
        position(options.context, options.width),
        norm(nn::LayerNormOptions({options.width})) {
    register_module("token", token);
    register_module("position", position);
    for (std::int64_t i = 0; i < options.layers; ++i)
      blocks->push_back(std::make_shared<Block>(options.width, options.heads, options.dropout));
    register_module("blocks", blocks);
    register_module("norm", norm);
  }

  /// float32 [n, length, width] of tokens int64 [n, length]
  at::Tensor embed(const at::Tensor& tokens) {
    return dropped(token(tokens) + position(torch::arange(tokens.size(1), tokens.options())), dropout, *this);
  }
  /// float32 [n, length, vocabulary]; the head is tied to the embedding.
  at::Tensor head(const at::Tensor& x) { return norm(x).matmul(token->weight.t()).to(at::kFloat); }

  double dropout;
  nn::Embedding token, position;
  nn::ModuleList blocks;
  nn::LayerNorm norm;
};

/// In stages: the embedding, each block, the head.
class Gpt final : public StagedTask {
 public:
  explicit Gpt(const GptOptions& options) : options_(options), module_(std::make_shared<GptModule>(options)) {}
  nn::Module& model() override { return *module_; }

  std::size_t stage_count() const override { return static_cast<std::size_t>(options_.layers) + 2; }
  Tensors inputs_of(const Batch& batch) const override {
    const at::Tensor& tokens = batch.fields[0];
    const std::int64_t length = tokens.size(1) - 1;
    if (length > options_.context)
      throw ConfigError(ErrorText{.attempted = "task gpt",
                                  .expected = fmt::format("sequences of at most {} tokens (task.options.context)", options_.context),
                                  .found = fmt::format("{}", length)});
    return {tokens.narrow(1, 0, length)};
  }
  Tensors run_stage(std::size_t stage, const Tensors& inputs) override {
    if (stage == 0) return {module_->embed(inputs[0])};
    if (stage + 1 == stage_count()) return {module_->head(inputs[0])};
    return {module_->blocks[stage - 1]->as<Block>()->forward(inputs[0])};
  }
  Loss loss_of(const Tensors& outputs, const Batch& batch) override {
    const Prediction prediction = predict(outputs[0], batch);
    return {prediction.loss_sum, prediction.targets.numel()};
  }
  Evaluation evaluation_of(const Tensors& outputs, const Batch& batch) override {
    const Prediction prediction = predict(outputs[0], batch);
    Evaluation sums{.loss_sum = prediction.loss_sum.item<double>(),
                    .count = prediction.targets.numel(),
                    .metrics = measure_accuracy(prediction.logits, prediction.targets)};
    sums.metrics["perplexity"] = {sums.loss_sum, sums.count};
    return sums;
  }
  std::vector<Metric> metrics() const override {
    std::vector<Metric> metrics = accuracy_metrics();
    metrics.push_back({.name = "perplexity", .value = Metric::Value::exp_of_mean});
    return metrics;
  }

  bool has_samples() const override { return true; }
  std::vector<std::string> samples(std::int64_t count, at::Generator& generator) override {
    std::vector<std::string> texts;
    for (std::int64_t i = 0; i < count; ++i) texts.push_back(continued(options_.sample_prompt, generator));
    return texts;
  }

 private:
  /// `text` and `sample_length` bytes that the model puts after it.
  std::string continued(std::string text, at::Generator& generator) {
    for (std::int64_t i = 0; i < options_.sample_length; ++i) {
      const auto context = static_cast<std::size_t>(options_.context);
      text += next_byte(std::string_view(text).substr(text.size() - std::min(text.size(), context)), generator);
    }
    return text;
  }
  char next_byte(std::string_view before, at::Generator& generator) {
    std::vector<std::int64_t> tokens;
    for (const char letter : before) tokens.push_back(static_cast<unsigned char>(letter));
    Tensors tensors = {at::tensor(tokens).unsqueeze(0).to(module_->token->weight.device())};
    for (std::size_t stage = 0; stage < stage_count(); ++stage) tensors = run_stage(stage, tensors);
    const at::Tensor scores = tensors[0].select(0, 0).select(0, -1).narrow(0, 0, std::min<std::int64_t>(options_.vocabulary, 256));
    const double temperature = options_.sample_temperature;
    const at::Tensor chosen =
        temperature == 0 ? scores.argmax() : scores.div(temperature).softmax(0).cpu().multinomial(1, false, generator);
    return static_cast<char>(chosen.item<std::int64_t>());
  }

  struct Prediction {
    at::Tensor logits, targets, loss_sum;
  };
  Prediction predict(const at::Tensor& scores, const Batch& batch) const {
    const at::Tensor logits = scores.reshape({-1, options_.vocabulary});
    const at::Tensor targets = batch.fields[0].narrow(1, 1, scores.size(1)).reshape({-1});
    return {logits, targets, F::cross_entropy(logits, targets, F::CrossEntropyFuncOptions().reduction(torch::kSum))};
  }

  GptOptions options_;
  std::shared_ptr<GptModule> module_;
};

}  // namespace

void GptOptions::describe(FieldVisitor& v) {
  v.field({.name = "vocabulary", .doc = "Tokens are 0 to vocabulary - 1; 256 for bytes.", .min = 2}, vocabulary);
  v.field({.name = "context", .doc = "Longest sequence.", .unit = "tokens", .min = 1}, context);
  v.field({.name = "layers", .doc = "Transformer blocks.", .min = 1}, layers);
  v.field({.name = "width", .doc = "Of the residual stream; a multiple of heads.", .min = 1}, width);
  v.field({.name = "heads", .doc = "Of attention.", .min = 1}, heads);
  v.field(
      {.name = "dropout",
       .doc = "Probability with which an element of the embeddings, and of what attention and the two-layer part add to them, is dropped.",
       .min = 0,
       .max = 1,
       .max_is_excluded = true},
      dropout);
  v.field({.name = "sample_prompt", .doc = "What a sample (callback `samples`) goes on from: at least one byte.", .synonyms = "prompt"},
          sample_prompt);
  v.field({.name = "sample_length", .doc = "How much a sample adds to it.", .unit = "bytes", .min = 1, .synonyms = "max_new_tokens"},
          sample_length);
  v.field({.name = "sample_temperature",
           .doc = "What scores are divided by before a byte is drawn. 0: the most likely byte, always.",
           .min = 0,
           .synonyms = "temperature"},
          sample_temperature);
}

std::unique_ptr<Task> make_gpt(const GptOptions& options) { return std::make_unique<Gpt>(options); }

}  // namespace holdfast
