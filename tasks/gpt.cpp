#include "tasks/gpt.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "base/error.h"

namespace holdfast {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

struct Block final : nn::Module {
  Block(std::int64_t width, std::int64_t heads_)
      : heads(heads_),
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
    x = x + proj(attended.transpose(1, 2).reshape({n, length, width}));
    return x + down(F::gelu(up(ln2(x)), F::GELUFuncOptions().approximate("tanh")));
  }

  std::int64_t heads;
  nn::LayerNorm ln1, ln2;
  nn::Linear qkv, proj, up, down;
};

struct GptModule final : nn::Module {
  explicit GptModule(const GptOptions& options)
      : token(options.vocabulary, options.width), position(options.context, options.width), norm(nn::LayerNormOptions({options.width})) {
    register_module("token", token);
    register_module("position", position);
    for (std::int64_t i = 0; i < options.layers; ++i) blocks->push_back(std::make_shared<Block>(options.width, options.heads));
    register_module("blocks", blocks);
    register_module("norm", norm);
  }

  /// float32 [n, length, vocabulary]; the head is tied to the embedding.
  at::Tensor forward(const at::Tensor& tokens) {
    at::Tensor x = token(tokens) + position(torch::arange(tokens.size(1)));
    for (const auto& block : *blocks) x = block->as<Block>()->forward(x);
    return norm(x).matmul(token->weight.t());
  }

  nn::Embedding token, position;
  nn::ModuleList blocks;
  nn::LayerNorm norm;
};

class Gpt final : public Task {
 public:
  explicit Gpt(const GptOptions& options) : options_(options), module_(std::make_shared<GptModule>(options)) {}
  nn::Module& model() override { return *module_; }

  Loss loss(const Batch& batch) override {
    const Prediction prediction = predict(batch);
    return {prediction.loss_sum, prediction.targets.numel()};
  }
  Evaluation evaluate(const Batch& batch) override {
    const Prediction prediction = predict(batch);
    return {.loss_sum = prediction.loss_sum.item<double>(),
            .count = prediction.targets.numel(),
            .correct = prediction.logits.argmax(1).eq(prediction.targets).sum().item<std::int64_t>()};
  }

 private:
  struct Prediction {
    at::Tensor logits, targets, loss_sum;
  };
  Prediction predict(const Batch& batch) {
    const at::Tensor& tokens = batch.fields[0];
    const std::int64_t length = tokens.size(1) - 1;
    if (length > options_.context)
      throw ConfigError(ErrorText{.attempted = "task gpt",
                                  .expected = fmt::format("sequences of at most {} tokens (task.options.context)", options_.context),
                                  .found = fmt::format("{}", length)});
    const at::Tensor logits = module_->forward(tokens.narrow(1, 0, length)).reshape({-1, options_.vocabulary});
    const at::Tensor targets = tokens.narrow(1, 1, length).reshape({-1});
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
}

std::unique_ptr<Task> make_gpt(const GptOptions& options) { return std::make_unique<Gpt>(options); }

}  // namespace holdfast
