#include "trainer/recomputation/recomputed_stage.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/types.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

#include "trainer/precision/autocast.h"
#include "trainer/state/rng.h"
#include "trainer/state/training_state.h"

namespace holdfast {
namespace {

using torch::autograd::Node;
using torch::autograd::variable_list;
using Tensors = StagedTask::Tensors;

/// Of the same memory, and leaves of a graph of their own.
Tensors as_leaves(const Tensors& inputs) {
  Tensors leaves;
  for (const at::Tensor& input : inputs)
    leaves.push_back(input.defined() ? input.detach().set_requires_grad(input.requires_grad()) : input);
  return leaves;
}

/// Counted up by every change in place.
std::vector<std::int64_t> versions_of(const Tensors& tensors) {
  std::vector<std::int64_t> versions;
  for (const at::Tensor& tensor : tensors) versions.push_back(tensor.defined() ? tensor._version() : 0);
  return versions;
}

Tensors that_require_grad(const Tensors& tensors) {
  Tensors found;
  std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(found),
               [](const at::Tensor& t) { return t.defined() && t.requires_grad(); });
  return found;
}

/// The leaves (parameters, nearly always) that a backward pass from `outputs` would reach, without `inputs`, as it would meet them.
Tensors leaves_behind(const Tensors& outputs, const Tensors& inputs) {
  Tensors leaves;
  std::set<const Node*> seen;
  std::vector<Node*> open;
  const auto meet = [&](Node* node) {
    if (node && seen.insert(node).second) open.push_back(node);
  };
  for (const at::Tensor& output : that_require_grad(outputs)) meet(output.grad_fn().get());
  while (!open.empty()) {
    Node* const node = open.back();
    open.pop_back();
    for (const torch::autograd::Edge& edge : node->next_edges()) meet(edge.function.get());
    const auto* leaf = dynamic_cast<const torch::autograd::AccumulateGrad*>(node);
    if (leaf && std::none_of(inputs.begin(), inputs.end(), [&](const at::Tensor& input) { return input.is_same(leaf->variable); }))
      leaves.push_back(leaf->variable);
  }
  return leaves;
}

/// The buffers of a model that a stage changes (running statistics), as they were before it.
class ChangedBuffers {
 public:
  /// Before the stage runs.
  explicit ChangedBuffers(torch::nn::Module& model) {
    for (const at::Tensor& buffer : model.buffers()) changes_.push_back({buffer, buffer.clone()});
  }
  /// After it has run: those that it has left alone are forgotten. By their values: not every kernel counts a version up.
  void keep_changed() {
    std::erase_if(changes_, [](const Change& change) { return change.buffer.equal(change.value); });
  }
  Tensors values_now() const {
    Tensors values;
    for (const Change& change : changes_) values.push_back(change.buffer.detach().clone());
    return values;
  }
  Tensors values_then() const {
    Tensors values;
    for (const Change& change : changes_) values.push_back(change.value);
    return values;
  }
  /// No graph takes notice.
  void set(const Tensors& values) {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < changes_.size(); ++i) changes_[i].buffer.variable_data().copy_(values[i]);
  }

 private:
  struct Change {
    at::Tensor buffer, value;
  };
  std::vector<Change> changes_;
};

/// While it lives, buffers and generators are as they were when the stage ran first; then again as they are.
class FirstRunAgain {
 public:
  FirstRunAgain(ChangedBuffers& buffers, const GeneratorPositions& generators, at::Device place)
      : buffers_(buffers), values_(buffers.values_now()), positions_(generator_positions(place)) {
    buffers_.set(buffers_.values_then());
    put_back(generators);
  }
  ~FirstRunAgain() {
    put_back(positions_);
    buffers_.set(values_);
  }
  FirstRunAgain(const FirstRunAgain&) = delete;
  FirstRunAgain& operator=(const FirstRunAgain&) = delete;

 private:
  ChangedBuffers& buffers_;
  Tensors values_;  // these and the positions: as they are outside
  GeneratorPositions positions_;
};

/// The backward pass of a stage. Its edges lead to the inputs that require a gradient, and then to the leaves that the stage has used: so
/// each of them gets what this stage adds to it once, when the stage is done, as without re-computation.
class StageBackward final : public Node {
 public:
  struct FirstRun {
    StagedTask& task;
    std::size_t stage;
    at::Device place;
    AutocastState autocast;
    GeneratorPositions generators;
    ChangedBuffers buffers;
  };
  StageBackward(FirstRun first, const Tensors& inputs, Tensors leaves)
      : Node(edges(inputs, leaves)),
        first_(std::move(first)),
        inputs_(as_leaves(inputs)),
        versions_(versions_of(inputs_)),
        leaves_(std::move(leaves)) {}

  std::string name() const override { return "RecomputedStage"; }
  void release_variables() override { inputs_.clear(); }

  variable_list apply(variable_list&& gradients) override {
    if (inputs_.empty()) throw std::logic_error("a second backward pass through a stage that is computed again: its input is kept for one");
    if (versions_of(inputs_) != versions_)
      throw std::logic_error(fmt::format(
          "an input of stage {} was changed in place after the stage had run; it cannot be run once more on it (trainer.recompute)",
          first_.stage));
    const FirstRunAgain again(first_.buffers, first_.generators, first_.place);
    const Tensors inputs = as_leaves(inputs_);
    Tensors outputs;
    {
      const at::AutoGradMode with_grad(true);
      const AutocastScope precision(first_.place.type(), first_.autocast);
      outputs = first_.task.run_stage(first_.stage, inputs);
    }
    outputs = that_require_grad(outputs);
    if (outputs.size() != gradients.size())
      throw std::logic_error(fmt::format("stage {} gives other outputs each time it is run", first_.stage));
    variable_list reached, wanted = that_require_grad(inputs), given;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!gradients[i].defined()) continue;
      reached.push_back(outputs[i]);
      given.push_back(gradients[i]);
    }
    wanted.insert(wanted.end(), leaves_.begin(), leaves_.end());
    if (reached.empty()) return variable_list(wanted.size());
    return torch::autograd::grad(reached, wanted, given, /*retain_graph=*/false, /*create_graph=*/false, /*allow_unused=*/true);
  }

 private:
  static torch::autograd::edge_list edges(const Tensors& inputs, const Tensors& leaves) {
    torch::autograd::edge_list list = torch::autograd::collect_next_edges(that_require_grad(inputs));
    for (torch::autograd::Edge& edge : torch::autograd::collect_next_edges(leaves)) list.push_back(std::move(edge));
    return list;
  }

  FirstRun first_;
  Tensors inputs_;
  std::vector<std::int64_t> versions_;
  Tensors leaves_;
};

}  // namespace

Tensors run_recomputed(StagedTask& task, std::size_t stage, const Tensors& inputs) {
  const at::Device place = place_of(task.model());
  StageBackward::FirstRun first{task, stage, place, autocast_state(place.type()), generator_positions(place), ChangedBuffers(task.model())};
  const Tensors leaves_in = as_leaves(inputs);
  const std::vector<std::int64_t> versions = versions_of(inputs);
  // With a graph, which tells what the stage has used, and is gone when this function returns.
  Tensors outputs = task.run_stage(stage, leaves_in);
  if (versions_of(inputs) != versions)
    throw std::logic_error(fmt::format("stage {} changes its input in place; it cannot be run once more on it (trainer.recompute)", stage));
  first.buffers.keep_changed();
  const Tensors leaves = leaves_behind(outputs, leaves_in);
  const auto backward = std::make_shared<StageBackward>(std::move(first), inputs, leaves);
  for (at::Tensor& output : outputs) {
    if (!output.defined() || !output.requires_grad()) continue;
    output = output.detach();
    torch::autograd::set_history(output, backward);
  }
  return outputs;
}

}  // namespace holdfast
