// A TorchScript file as a task: its tensors are those of the model, by name, and nothing that it keeps in them is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "tasks/built_in.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A file that goes with its test.
struct ScriptFile {
  explicit ScriptFile(const std::string& name)
      : path(std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()) + ".pt")) {}
  ~ScriptFile() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

/// A linear layer below `body`, dropout where it trains, a count of its calls that is another tensor after each.
torch::jit::Module linear(std::int64_t outputs) {
  torch::jit::Module body("Body"), module("Net");
  body.register_attribute("training", c10::BoolType::get(), true);
  body.register_parameter("weight", at::full({outputs, 4}, 0.5).requires_grad_(), false);
  body.define("def forward(self, x):\n  return torch.dropout(torch.linear(x, self.weight), 0.5, self.training)\n");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_parameter("bias", at::zeros({outputs}).requires_grad_(), false);
  module.register_buffer("calls", at::zeros({1}));
  module.register_module("body", body);
  module.define("def forward(self, x):\n  self.calls = self.calls + 1\n  return self.body.forward(x) + self.bias\n");
  return module;
}

std::unique_ptr<Task> task_of(const std::filesystem::path& file, const std::string& more = "") {
  Registry registry;
  register_built_in_tasks(registry);
  return registry.make_task(
      {.name = "torchscript", .options = OptionTree::from_text("{file: '" + file.string() + "'" + more + "}", "task.yaml")}, {});
}

std::string refusal(const std::filesystem::path& file, const std::string& more = "") {
  try {
    task_of(file, more);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

Batch batch_of(at::Tensor inputs, at::Tensor target) { return {.fields = {inputs, target}, .samples = inputs.size(0)}; }

TEST(Script, ItsTensorsHaveTheNamesOfTheModule) {
  const ScriptFile file("names");
  linear(3).save(file.path.string());
  const std::unique_ptr<Task> task = task_of(file.path);
  EXPECT_THAT(task->model().named_parameters().keys(), testing::ElementsAre("bias", "body.weight"));
  EXPECT_THAT(task->model().named_buffers().keys(), testing::ElementsAre("calls"));
}

TEST(Script, AnUpdateOfAParameterIsSeenByItsCode) {
  const ScriptFile file("update");
  linear(2).save(file.path.string());
  const std::unique_ptr<Task> task = task_of(file.path, ", loss: mse");
  task->model().eval();
  const Batch batch = batch_of(at::ones({1, 4}), at::zeros({1, 2}));
  EXPECT_DOUBLE_EQ(task->evaluate(batch).loss_sum, 8);  // 0.5 * 4 each
  const torch::NoGradGuard no_grad;
  for (const at::Tensor& parameter : task->model().parameters()) parameter.fill_(1);
  EXPECT_DOUBLE_EQ(task->evaluate(batch).loss_sum, 50);  // 4 + 1 each
}

TEST(Script, ItTrainsWithDropoutAndIsMeasuredWithout) {
  const ScriptFile file("modes");
  linear(64).save(file.path.string());
  const std::unique_ptr<Task> task = task_of(file.path, ", loss: l1");
  const Batch batch = batch_of(at::ones({1, 4}), at::zeros({1, 64}));
  task->model().train();
  torch::manual_seed(1);                                             // else two sums are the same now and then
  EXPECT_EQ(std::fmod(task->loss(batch).sum.item<double>(), 4), 0);  // each element is 0 or 2 / (1 - 0.5)
  EXPECT_NE(task->loss(batch).sum.item<double>(), task->loss(batch).sum.item<double>());
  task->model().eval();
  EXPECT_EQ(task->evaluate(batch).loss_sum, 128);
}

TEST(Script, ABufferThatItsCodeReplacesStaysTheOneThatIsStored) {
  const ScriptFile file("buffer");
  linear(2).save(file.path.string());
  const std::unique_ptr<Task> task = task_of(file.path, ", loss: mse");
  const at::Tensor calls = task->model().named_buffers()["calls"];
  const Batch batch = batch_of(at::ones({1, 4}), at::zeros({1, 2}));
  for (int call = 1; call <= 3; ++call) {
    task->loss(batch).sum.backward();
    EXPECT_EQ(calls.item<float>(), call);
  }
  calls.fill_(10);  // as restoring does
  task->loss(batch);
  EXPECT_EQ(calls.item<float>(), 11);
}

TEST(Script, TheFirstCallHasTheBitsOfEveryOther) {
  const ScriptFile file("bits");
  torch::jit::Module module("Net");
  module.register_parameter("weight", at::randn({64, 64}).requires_grad_(), false);
  module.define("def forward(self, x):\n  y = torch.matmul(x, self.weight)\n  return torch.tanh(y * torch.sigmoid(y) + y / 3.0) * 1.7\n");
  module.save(file.path.string());
  const std::unique_ptr<Task> task = task_of(file.path, ", loss: mse");
  const Batch batch = batch_of(at::randn({32, 64}), at::zeros({32, 64}));
  std::vector<at::Tensor> gradients;
  for (int call = 0; call < 4; ++call) {
    task->model().zero_grad();
    task->loss(batch).sum.backward();
    gradients.push_back(task->model().parameters()[0].grad().clone());
  }
  for (const at::Tensor& gradient : gradients) EXPECT_TRUE(gradient.equal(gradients[0]));
}

TEST(Script, LossesAreSumsOverTheTargetAsPyTorchsAre) {
  const ScriptFile file("losses");
  linear(2).save(file.path.string());
  const at::Tensor inputs = at::ones({3, 4}), outputs = at::full({3, 2}, 2.0), labels = at::zeros({3}, at::kLong);
  const auto measured = [&](const std::string& loss, const at::Tensor& target) {
    const std::unique_ptr<Task> task = task_of(file.path, ", loss: " + loss);
    task->model().eval();
    return task->evaluate(batch_of(inputs, target));
  };
  const Evaluation classes = measured("cross_entropy", labels);
  EXPECT_FLOAT_EQ(classes.loss_sum, at::cross_entropy_loss(outputs, labels, {}, at::Reduction::Sum).item<double>());
  EXPECT_EQ(classes.count, 3);
  EXPECT_EQ(classes.metrics.at("accuracy").sum, 3);
  EXPECT_EQ(classes.metrics.at("accuracy").count, 3);
  const Evaluation binary = measured("binary_cross_entropy", at::ones({3, 2}));
  EXPECT_FLOAT_EQ(binary.loss_sum, 6 * std::log1p(std::exp(-2.0)));
  EXPECT_EQ(binary.metrics.at("accuracy").sum, 6);
  EXPECT_EQ(measured("mse", at::zeros({3, 2})).metrics.at("rmse").sum, 24);
  EXPECT_TRUE(measured("l1", at::zeros({3, 2})).metrics.empty()) << "a number is not right or wrong";
  const Evaluation padded = measured("cross_entropy", at::tensor({0, -100, 1}, at::kLong));
  EXPECT_EQ(padded.count, 2);
  EXPECT_EQ(padded.metrics.at("accuracy").count, 2);
  EXPECT_FLOAT_EQ(measured("mse", at::zeros({3, 2})).loss_sum, 24);
  EXPECT_FLOAT_EQ(measured("l1", at::zeros({3, 2})).loss_sum, 12);
  EXPECT_EQ(measured("l1", at::zeros({3, 2})).count, 6);
  EXPECT_THROW(measured("mse", at::zeros({3})), DataError);  // would be broadcast
}

TEST(Script, WhatIsNoTrainableTorchScriptIsRefusedWithItsPlace) {
  const ScriptFile file("bad");
  EXPECT_THAT(refusal(file.path), AllOf(HasSubstr("task.yaml:1:8: task.options.file: expected a TorchScript file"), HasSubstr(file.path)));
  std::ofstream(file.path) << "no archive";
  EXPECT_THAT(refusal(file.path), HasSubstr("torch.jit.script"));
  torch::jit::Module module("Net");
  module.define("def forward(self, x):\n  return x\n");
  module.save(file.path.string());
  EXPECT_THAT(refusal(file.path), HasSubstr("no parameter that requires a gradient"));
  linear(2).save(file.path.string());
  EXPECT_THAT(refusal(file.path, ", loss: hinge"), HasSubstr("cross_entropy"));
  EXPECT_THAT(refusal(file.path, ", loss: mse, label_smoothing: 0.1"), HasSubstr("task.options.label_smoothing"));
}

}  // namespace
}  // namespace holdfast
