// A plugin with tasks that the built-in ones do not cover: a model with BatchNorm, whose running statistics each rank has for
// itself; a generator and a discriminator under manual optimization, stepped at different times; and one that learns nothing and
// measures what its options say.
#include <torch/torch.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>
#include <utility>

#include "options/read.h"
#include "trainer/accuracy.h"
#include "trainer/registry.h"
#include "trainer/staged_task.h"

namespace {

using holdfast::Batch;
using holdfast::Evaluation;
using holdfast::Loss;

Evaluation classified(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor loss = torch::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum);
  return {loss.item<double>(), labels.size(0), holdfast::measure_accuracy(logits, labels)};
}

struct Normalised final : holdfast::Task {
  torch::nn::Module& model() override { return *module; }
  Loss loss(const Batch& batch) override {
    const at::Tensor logits = module->forward(batch.fields[0]);
    return {torch::cross_entropy_loss(logits, batch.fields[1], {}, at::Reduction::Sum), batch.samples};
  }
  Evaluation evaluate(const Batch& batch) override { return classified(module->forward(batch.fields[0]), batch.fields[1]); }
  std::vector<holdfast::Metric> metrics() const override { return holdfast::accuracy_metrics(); }
  torch::nn::Sequential module{torch::nn::Linear(8, 16), torch::nn::BatchNorm1d(16), torch::nn::ReLU(), torch::nn::Linear(16, 10)};
};

struct Chain final : torch::nn::Module {
  Chain() {
    register_module("first", first);
    register_module("dropout", dropout);
    register_module("last", last);
  }
  torch::nn::Linear first{8, 16}, last{16, 10};
  torch::nn::Dropout dropout{0.5};
};

Loss cross_entropy(const at::Tensor& logits, const Batch& batch) {
  return {torch::cross_entropy_loss(logits, batch.fields[1], {}, at::Reduction::Sum), batch.samples};
}

struct InOnePiece final : holdfast::Task {
  torch::nn::Module& model() override { return *chain; }
  Loss loss(const Batch& batch) override { return cross_entropy(logits(batch), batch); }
  Evaluation evaluate(const Batch& batch) override { return classified(logits(batch), batch.fields[1]); }
  std::vector<holdfast::Metric> metrics() const override { return holdfast::accuracy_metrics(); }
  at::Tensor logits(const Batch& batch) { return chain->last(chain->dropout(torch::relu(chain->first(batch.fields[0])))); }
  std::shared_ptr<Chain> chain = std::make_shared<Chain>();
};

struct InStages final : holdfast::StagedTask {
  torch::nn::Module& model() override { return *chain; }
  std::size_t stage_count() const override { return 3; }
  Tensors run_stage(std::size_t stage, const Tensors& inputs) override {
    if (stage == 0) return {torch::relu(chain->first(inputs[0]))};
    return {stage == 1 ? chain->dropout(inputs[0]) : chain->last(inputs[0])};
  }
  Loss loss_of(const Tensors& outputs, const Batch& batch) override { return cross_entropy(outputs[0], batch); }
  Evaluation evaluation_of(const Tensors& outputs, const Batch& batch) override { return classified(outputs[0], batch.fields[1]); }
  std::vector<holdfast::Metric> metrics() const override { return holdfast::accuracy_metrics(); }
  std::shared_ptr<Chain> chain = std::make_shared<Chain>();
};

/// Measures with every kind of sum: a total, a mean over some of the samples, and one over none.
struct Measured final : holdfast::Task {
  torch::nn::Module& model() override { return normalised.model(); }
  Loss loss(const Batch& batch) override { return normalised.loss(batch); }
  Evaluation evaluate(const Batch& batch) override {
    Evaluation sums = normalised.evaluate(batch);
    const at::Tensor logits = normalised.module->forward(batch.fields[0]), is_three = batch.fields[1].eq(3);
    const auto count = [](const at::Tensor& which) { return which.sum().item<std::int64_t>(); };
    sums.metrics["total"] = {batch.fields[1].sum().item<double>(), batch.samples};
    sums.metrics["recall"] = {static_cast<double>(count(logits.argmax(1).eq(3).logical_and(is_three))), count(is_three)};
    sums.metrics["threes"] = {static_cast<double>(count(is_three)), batch.samples};
    sums.metrics["perplexity"] = {sums.loss_sum, sums.count};
    return sums;
  }
  std::vector<holdfast::Metric> metrics() const override {
    using Value = holdfast::Metric::Value;
    return {{"accuracy"}, {"total", Value::sum}, {"recall"}, {"threes"}, {"perplexity", Value::exp_of_mean}, {"never"}};
  }
  Normalised normalised;
};

struct MisnamedOptions {
  std::string metric = "step";
  void describe(holdfast::FieldVisitor& visitor) { visitor.field({.name = "metric"}, metric); }
};

/// Calls a metric what a line of metrics calls something else.
struct Misnamed final : holdfast::Task {
  explicit Misnamed(const MisnamedOptions& its) : options(its) {}
  torch::nn::Module& model() override { return normalised.model(); }
  Loss loss(const Batch& batch) override { return normalised.loss(batch); }
  Evaluation evaluate(const Batch& batch) override { return normalised.evaluate(batch); }
  std::vector<holdfast::Metric> metrics() const override { return {{options.metric}}; }
  MisnamedOptions options;
  Normalised normalised;
};

struct Players final : torch::nn::Module {
  Players() {
    register_module("generator", generator);
    register_module("discriminator", discriminator);
    batches = register_buffer("batches", torch::zeros({}, torch::kLong));  // what a task counts is state: it lives in the module
  }
  torch::nn::Sequential generator{torch::nn::Linear(4, 16), torch::nn::ReLU(), torch::nn::Linear(16, 8)};
  torch::nn::Sequential discriminator{torch::nn::Linear(8, 16), torch::nn::ReLU(), torch::nn::Linear(16, 1)};
  at::Tensor batches;
};

std::thread::id thread_of_batches;  // of the adversarial task

/// The discriminator steps with every batch, the generator with every third, over the gradients of all three.
struct Adversarial final : holdfast::Task {
  torch::nn::Module& model() override { return *players; }
  Loss loss(const Batch&) override { throw std::logic_error("optimized by hand"); }
  Evaluation evaluate(const Batch& batch) override {
    return {players->discriminator->forward(batch.fields[0]).sum().item<double>(), batch.samples};
  }
  bool is_manual() const override { return true; }
  void train_batch(const Batch& batch, holdfast::ManualOptimization& optimization) override {
    thread_of_batches = std::this_thread::get_id();
    const at::Tensor fake = players->generator->forward(torch::randn({batch.samples, 4}));
    const at::Tensor judged = torch::softplus(players->discriminator->forward(fake.detach())) +
                              torch::softplus(-players->discriminator->forward(batch.fields[0]));
    optimization.backward("discriminator", {judged.sum(), batch.samples});
    optimization.step("discriminator");
    optimization.backward("generator", {torch::softplus(-players->discriminator->forward(fake)).sum(), batch.samples});
    players->batches.add_(1);
    if (players->batches.item<std::int64_t>() % 3 == 0) optimization.step("generator");
  }
  std::shared_ptr<Players> players = std::make_shared<Players>();
};

struct SteppingOptions {
  std::vector<std::string> names = {"a", "b"};  // of the optimizers, in the order of their turns
  std::vector<std::int64_t> every = {1, 1};     // batches from one step of each to its next; 0: it is never stepped
  bool penalty = false;                         // on the norm of the gradient by the input: a second backward pass within the first
  std::string throws_after_a_step;              // once, in the 10th batch: this file is written first
  void describe(holdfast::FieldVisitor& visitor) {
    visitor.field({.name = "names"}, names);
    visitor.field({.name = "every"}, every);
    visitor.field({.name = "penalty"}, penalty);
    visitor.field({.name = "throws_after_a_step"}, throws_after_a_step);
  }
};

/// Two layers, each with an optimizer of its own or both with one, stepped as often as its options say.
struct Stepping final : holdfast::Task {
  struct Layers final : torch::nn::Module {
    Layers() {
      register_module("a", a);
      register_module("b", b);
      batches = register_buffer("batches", torch::zeros({}, torch::kLong));
    }
    torch::nn::Linear a{4, 8}, b{8, 1};
    at::Tensor batches;
  };
  explicit Stepping(SteppingOptions its) : options(std::move(its)) {}
  torch::nn::Module& model() override { return *layers; }
  bool is_manual() const override { return true; }
  Loss loss(const Batch&) override { throw std::logic_error("optimized by hand"); }
  Evaluation evaluate(const Batch& batch) override { return {scores(batch.fields[0]).pow(2).sum().item<double>(), batch.samples}; }
  void train_batch(const Batch& batch, holdfast::ManualOptimization& optimization) override {
    layers->batches.add_(1);
    const std::int64_t number = layers->batches.item<std::int64_t>();
    for (std::size_t i = 0; i < options.names.size(); ++i) {
      optimization.backward(options.names[i], {loss_of(batch.fields[0]), batch.samples});
      if (options.every.at(i) > 0 && number % options.every[i] == 0) optimization.step(options.names[i]);
      if (number == 10 && !options.throws_after_a_step.empty() && !std::ifstream(options.throws_after_a_step)) {
        std::ofstream(options.throws_after_a_step) << "thrown";
        throw std::runtime_error("between two steps");
      }
    }
  }
  at::Tensor scores(const at::Tensor& x) { return layers->b(torch::tanh(layers->a(x))); }
  at::Tensor loss_of(const at::Tensor& inputs) {
    const at::Tensor x = inputs.detach().requires_grad_(options.penalty), values = scores(x);
    at::Tensor sum = (values - x.sum(1, true)).pow(2).sum();
    if (options.penalty) {
      const at::Tensor slope = torch::autograd::grad({values.sum()}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
      sum = sum + 10 * (slope.norm(2, 1) - 1).pow(2).sum();
    }
    return sum;
  }
  SteppingOptions options;
  std::shared_ptr<Layers> layers = std::make_shared<Layers>();
};

struct ScriptOptions {
  std::vector<std::string> val_loss;       // of the process's validations, in order; then 0
  std::vector<std::string> train_loss;     // of its batches, likewise
  std::int64_t throws_after_batches = -1;  // of this process
  bool throws_a_number = false;            // instead of an exception
  void describe(holdfast::FieldVisitor& visitor) {
    visitor.field({.name = "val_loss"}, val_loss);
    visitor.field({.name = "train_loss"}, train_loss);
    visitor.field({.name = "throws_after_batches"}, throws_after_batches);
    visitor.field({.name = "throws_a_number"}, throws_a_number);
  }
};

/// One batch for each validation, so that each rank is asked once for each.
struct Scripted final : holdfast::Task {
  explicit Scripted(ScriptOptions script) : options(std::move(script)) {}
  torch::nn::Module& model() override { return *module; }
  Loss loss(const Batch& batch) override {
    if (batches == options.throws_after_batches && options.throws_a_number) throw 7;
    if (batches == options.throws_after_batches) throw std::runtime_error("as the script says");
    const double value = at(options.train_loss, batches++);
    return {module->forward(batch.fields[0]).sum() * 0 + value * static_cast<double>(batch.samples), batch.samples};
  }
  Evaluation evaluate(const Batch& batch) override {
    return {at(options.val_loss, validations++) * static_cast<double>(batch.samples), batch.samples};
  }
  static double at(const std::vector<std::string>& values, std::int64_t index) {
    return index < static_cast<std::int64_t>(values.size()) ? std::stod(values[static_cast<std::size_t>(index)]) : 0;
  }
  ScriptOptions options;
  torch::nn::Linear module{1, 1};
  std::int64_t batches = 0, validations = 0;
};

struct NegatedOptions {
  std::int64_t failures = 0;  // how many calls fail before the first that does not
  void describe(holdfast::FieldVisitor& visitor) { visitor.field({.name = "failures"}, failures); }
};

/// Changes what it gets in place, as a careless transform does: the model must not notice.
struct Negated final : holdfast::Transform {
  explicit Negated(const NegatedOptions& options) : failures(options.failures) {}
  at::Tensor apply(const holdfast::WeightSlice& slice) const override {
    if (failures.fetch_sub(1) > 0) throw std::runtime_error("no luck with " + slice.name);
    at::Tensor values = slice.values;
    return values.neg_();
  }
  mutable std::atomic<std::int64_t> failures;
};

/// Fails where the adversarial task may be changing the weights meanwhile.
struct BetweenBatches final : holdfast::Transform {
  at::Tensor apply(const holdfast::WeightSlice& slice) const override {
    if (std::this_thread::get_id() != thread_of_batches) throw std::runtime_error("the batches go on");
    return slice.values;
  }
};

}  // namespace

struct RecorderOptions {
  std::string file;               // rank 0 writes every call into it
  std::string throws_in;          // the name of a call
  std::int64_t ends_at = -1;      // a step
  std::int64_t ends_on_rank = 0;  // which alone wants to end there
  void describe(holdfast::FieldVisitor& visitor) {
    visitor.field({.name = "file"}, file);
    visitor.field({.name = "throws_in"}, throws_in);
    visitor.field({.name = "ends_at"}, ends_at);
    visitor.field({.name = "ends_on_rank"}, ends_on_rank);
  }
};

/// Writes down who calls it and when, and counts the updates in a state of its own.
struct Recorder final : holdfast::Callback {
  explicit Recorder(const RecorderOptions& its) : options(its) {}
  using View = holdfast::RunView;
  using Ranks = holdfast::Communicator;
  void on_fit_start(const View& run, Ranks& ranks) override {
    rank = ranks.rank();
    step = run.state.global_step;
    record("on_fit_start", run);
  }
  void on_epoch_start(const View& run, Ranks&) override { record("on_epoch_start", run); }
  void on_batch_start(const View& run, const Batch&) override { record("on_batch_start", run); }
  void on_backward_end(const View& run) override { record("on_backward_end", run); }
  void on_optimizer_step(const View& run, const holdfast::OptimizerStep& made) override {
    record("on_optimizer_step " + made.optimizer, run);
  }
  void on_step_end(const View& run, const holdfast::StepFacts&, Ranks& ranks) override {
    ++updates;
    ++updates_since;
    step = run.state.global_step;
    double sum = 1;  // a collective of its own
    ranks.all_reduce(std::as_writable_bytes(std::span(&sum, 1)), holdfast::ReduceType::f64, holdfast::ReduceOp::sum);
    record(sum == ranks.size() ? "on_step_end" : "on_step_end without all ranks", run);
  }
  void on_epoch_end(const View& run, Ranks&) override { record("on_epoch_end", run); }
  void on_validation_start(const View& run, Ranks&) override { record("on_validation_start", run); }
  void on_validation_end(const View& run, const std::map<std::string, double>& metrics, Ranks&) override {
    record("on_validation_end " + std::to_string(metrics.size()), run);
  }
  void on_checkpoint(const View& run, const holdfast::SaveResult&) override { record("on_checkpoint", run); }
  void on_exception(const View& run, const std::exception&) override { record("on_exception", run); }
  void on_fit_end(const View& run, Ranks&) override { record("on_fit_end after " + std::to_string(updates), run); }
  void add_metrics(nlohmann::json& line) override {
    line["updates_seen"] = updates;
    line["updates_since"] = std::exchange(updates_since, 0);
    write("add_metrics @" + std::to_string(step));
  }
  bool may_end() const override { return options.ends_at >= 0; }
  std::optional<std::string> end_reason() const override {
    return step == options.ends_at && rank == options.ends_on_rank ? std::optional<std::string>("enough is seen") : std::nullopt;
  }
  nlohmann::json state() const override {
    if (options.throws_in == "state") throw 1;
    return {updates, updates_since};
  }
  void restore(const nlohmann::json& state) override {
    updates = state.at(0);
    updates_since = state.at(1);
  }

  void record(const std::string& call, const View& run) {
    write(call + " @" + std::to_string(run.state.global_step));
    if (!options.throws_in.empty() && call.starts_with(options.throws_in)) throw std::runtime_error("as it was told to");
  }
  void write(const std::string& line) const {
    if (rank == 0 && !options.file.empty()) std::ofstream(options.file, std::ios::app) << line << "\n";
  }
  RecorderOptions options;
  int rank = 0;
  std::int64_t updates = 0, updates_since = 0, step = 0;
};

extern "C" void holdfast_register(holdfast::Registry& registry) {
  registry.add_callback("recorder", [](const holdfast::CallbackOptions& callback, const holdfast::ComponentContext&) {
    RecorderOptions options;
    holdfast::read_options(callback.options, options);
    return std::make_unique<Recorder>(options);
  });
  registry.add_task("normalised",
                    [](const holdfast::OptionTree&, const holdfast::ComponentContext&) { return std::make_unique<Normalised>(); });
  registry.add_task("in_one_piece",
                    [](const holdfast::OptionTree&, const holdfast::ComponentContext&) { return std::make_unique<InOnePiece>(); });
  registry.add_task("in_stages",
                    [](const holdfast::OptionTree&, const holdfast::ComponentContext&) { return std::make_unique<InStages>(); });
  registry.add_task("measured",
                    [](const holdfast::OptionTree&, const holdfast::ComponentContext&) { return std::make_unique<Measured>(); });
  registry.add_task("misnamed", [](const holdfast::OptionTree& tree, const holdfast::ComponentContext&) {
    MisnamedOptions options;
    holdfast::read_options(tree, options);
    return std::make_unique<Misnamed>(options);
  });
  registry.add_task("talkative", [](const holdfast::OptionTree&, const holdfast::ComponentContext&) {
    std::printf("a plugin's own words\n");
    return std::make_unique<Normalised>();
  });
  registry.add_task("adversarial",
                    [](const holdfast::OptionTree&, const holdfast::ComponentContext&) { return std::make_unique<Adversarial>(); });
  registry.add_transform("negated", [](const holdfast::TransformOptions& transform, const holdfast::ComponentContext&) {
    NegatedOptions options;
    holdfast::read_options(transform.options, options);
    return std::make_unique<Negated>(options);
  });
  registry.add_transform("between_batches", [](const holdfast::TransformOptions&, const holdfast::ComponentContext&) {
    return std::make_unique<BetweenBatches>();
  });
  registry.add_task("stepping", [](const holdfast::OptionTree& tree, const holdfast::ComponentContext&) {
    SteppingOptions options;
    holdfast::read_options(tree, options);
    return std::make_unique<Stepping>(std::move(options));
  });
  registry.add_task("scripted", [](const holdfast::OptionTree& tree, const holdfast::ComponentContext&) {
    ScriptOptions options;
    holdfast::read_options(tree, options);
    return std::make_unique<Scripted>(std::move(options));
  });
}
