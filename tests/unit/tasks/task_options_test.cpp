// Options of the built-in tasks are checked when the task is made, with the place in the file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "base/error.h"
#include "tasks/built_in.h"

namespace holdfast {
namespace {

std::string refusal(const std::string& name, const std::string& yaml) {
  Registry registry;
  register_built_in_tasks(registry);
  try {
    registry.make_task({.name = name, .options = OptionTree::from_text(yaml, "task.yaml")}, {});
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TaskOptions, AMisspeltKeyIsRefusedWithItsPlace) {
  EXPECT_THAT(refusal("gpt", "layrs: 2\n"),
              testing::AllOf(testing::HasSubstr("task.yaml:1:1"), testing::HasSubstr("did you mean 'layers'")));
}

TEST(TaskOptions, NumbersThatDoNotFitAreRefusedWithTheirPlace) {
  EXPECT_THAT(refusal("cnn", "dropout: [0.1, 0.2, 0.3]"),
              testing::HasSubstr("task.yaml:1:1: task.options.dropout: expected two probabilities"));
}

TEST(TaskOptions, HeadsMustDivideWidth) { EXPECT_THAT(refusal("gpt", "{width: 10, heads: 4}"), testing::HasSubstr("multiple of heads")); }

TEST(TaskOptions, AnMlpNeedsTwoWidths) { EXPECT_THAT(refusal("mlp", "widths: [3]"), testing::HasSubstr("at least two")); }

TEST(TaskOptions, AnUnknownTaskListsTheKnownOnes) {
  EXPECT_THAT(refusal("resnet", "{}"), testing::AllOf(testing::HasSubstr("cnn, gpt, mlp, torchscript"), testing::HasSubstr("'resnet'")));
}

}  // namespace
}  // namespace holdfast
