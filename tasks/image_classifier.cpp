#include "tasks/image_classifier.h"

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include "trainer/accuracy.h"

namespace holdfast {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

/// Cross-entropy of whatever maps images to logits.
class ImageClassifier : public Task {
 public:
  ImageClassifier(double label_smoothing, std::vector<std::int64_t> top_k) : label_smoothing_(label_smoothing), top_k_(std::move(top_k)) {}

  Loss loss(const Batch& batch) override {
    const auto options = F::CrossEntropyFuncOptions().reduction(torch::kSum).label_smoothing(label_smoothing_);
    return {F::cross_entropy(scores_of(batch), batch.fields[1], options), batch.samples};
  }
  Evaluation evaluate(const Batch& batch) override {
    const at::Tensor scores = scores_of(batch);
    const at::Tensor sum = F::cross_entropy(scores, batch.fields[1], F::CrossEntropyFuncOptions().reduction(torch::kSum));
    return {.loss_sum = sum.item<double>(), .count = batch.samples, .metrics = measure_accuracy(scores, batch.fields[1], top_k_)};
  }
  std::vector<Metric> metrics() const override { return accuracy_metrics(top_k_); }

 protected:
  /// [n, classes]
  virtual at::Tensor logits(const at::Tensor& images) = 0;

 private:
  /// In float32: a loss needs its digits, whatever the logits were computed with.
  at::Tensor scores_of(const Batch& batch) { return logits(batch.fields[0]).to(at::kFloat); }
  double label_smoothing_;
  std::vector<std::int64_t> top_k_;
};

class Mlp final : public ImageClassifier {
 public:
  explicit Mlp(const MlpOptions& options) : ImageClassifier(options.label_smoothing, options.top_k) {
    for (std::size_t i = 0; i + 1 < options.widths.size(); ++i) {
      if (i > 0) layers_->push_back(nn::ReLU());
      layers_->push_back(nn::Linear(options.widths[i], options.widths[i + 1]));
    }
  }
  nn::Module& model() override { return *layers_; }

 protected:
  at::Tensor logits(const at::Tensor& images) override { return layers_->forward(images.flatten(1)); }

 private:
  nn::Sequential layers_;
};

struct CnnModule final : nn::Module {
  explicit CnnModule(const CnnOptions& options)
      : body(nn::Conv2d(nn::Conv2dOptions(1, 32, 3)), nn::ReLU(), nn::Conv2d(nn::Conv2dOptions(32, 64, 3)), nn::ReLU(), nn::MaxPool2d(2),
             nn::Dropout(options.dropout.at(0)), nn::Flatten(), nn::Linear(9216, 128), nn::ReLU(), nn::Dropout(options.dropout.at(1)),
             nn::Linear(128, options.classes)) {
    register_module("body", body);
    if (!options.channels_last) return;
    const torch::NoGradGuard no_grad;
    for (auto& parameter : parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  nn::Sequential body;
};

class Cnn final : public ImageClassifier {
 public:
  explicit Cnn(const CnnOptions& options)
      : ImageClassifier(options.label_smoothing, options.top_k),
        channels_last_(options.channels_last),
        module_(std::make_shared<CnnModule>(options)) {}
  nn::Module& model() override { return *module_; }

 protected:
  at::Tensor logits(const at::Tensor& images) override {
    return module_->body->forward(channels_last_ ? images.contiguous(at::MemoryFormat::ChannelsLast) : images);
  }

 private:
  bool channels_last_;
  std::shared_ptr<CnnModule> module_;
};

constexpr Field kTopK = {.name = "top_k",
                         .doc =
                             "Measures, beside the accuracy, how often the right class is among the so many with the highest scores: [5] "
                             "gives val_top5_accuracy.",
                         .unit = "classes",
                         .min = 2};
constexpr const char* kSmoothingDoc = "This share of each label is spread over all classes, in training only.";

}  // namespace

void MlpOptions::describe(FieldVisitor& v) {
  v.field({.name = "widths", .doc = "Inputs, hidden widths, classes: at least two numbers.", .min = 1}, widths);
  v.field({.name = "label_smoothing", .doc = kSmoothingDoc, .min = 0, .max = 1}, label_smoothing);
  v.field(kTopK, top_k);
}

void CnnOptions::describe(FieldVisitor& v) {
  v.field({.name = "classes", .doc = "Labels are 0 to classes - 1.", .min = 2}, classes);
  v.field({.name = "dropout", .doc = "Two probabilities: after the pooling and after the hidden layer.", .min = 0, .max = 1}, dropout);
  v.field({.name = "label_smoothing", .doc = kSmoothingDoc, .min = 0, .max = 1}, label_smoothing);
  v.field(kTopK, top_k);
  v.field({"channels_last", "Memory format of the convolutions: faster on most processors; the values are the same up to rounding."},
          channels_last);
}

std::unique_ptr<Task> make_mlp(const MlpOptions& options) { return std::make_unique<Mlp>(options); }
std::unique_ptr<Task> make_cnn(const CnnOptions& options) { return std::make_unique<Cnn>(options); }

}  // namespace holdfast
