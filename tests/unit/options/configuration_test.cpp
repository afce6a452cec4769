#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "options/read.h"
#include "options/reference.h"
#include "options/run_options.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/options/messages.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kGood = R"(task: {name: mlp}
data: {name: idx}
optimizers:
  main: {type: adamw}
trainer: {max_steps: 10}
)";

Configuration load(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const TemporaryDirectory directory;
  return load_configuration(directory.write("my_run.yaml", text), overrides);
}

// Of the good configuration with `overrides`, or of another text; the folder is cut off.
std::string error_in(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("x.yaml", text);
  std::string message = config_error_of([&] { load_configuration(file, overrides); });
  const std::string folder = directory.path().string() + "/";
  for (std::size_t at = message.find(folder); at != std::string::npos; at = message.find(folder)) message.erase(at, folder.size());
  return message;
}

std::string error_with(const std::vector<std::string>& overrides) { return error_in(kGood, overrides); }

TEST(Configuration, NamesTheRunAfterItsFile) {
  const Configuration configuration = load(kGood);
  EXPECT_EQ(configuration.run.name, "my_run");
  EXPECT_EQ(configuration.run.directory, "runs/my_run");
  EXPECT_THAT(configuration.file, HasSubstr("/my_run.yaml"));
  EXPECT_EQ(load(kGood, {"run.name=other"}).run.directory, "runs/other");
  EXPECT_EQ(load(kGood, {"run.directory=/x/y"}).run.directory, "/x/y");
}

TEST(Configuration, SavesEveryEpochUnlessToldOtherwise) {
  for (const std::string& text : {std::string(kGood), std::string(kGood) + "checkpoints:\n"}) {
    const Configuration configuration = load(text);
    ASSERT_EQ(configuration.checkpoints.size(), 1u);
    EXPECT_EQ(configuration.checkpoints[0].every_epochs, 1);
    EXPECT_TRUE(configuration.checkpoints[0].at_end);
    EXPECT_EQ(configuration.checkpoints[0].limit, std::nullopt);
  }
  EXPECT_TRUE(load(kGood, {"checkpoints=[]"}).checkpoints.empty());
  EXPECT_EQ(load(kGood, {"checkpoints.0.every_steps=5"}).checkpoints[0].every_epochs, std::nullopt);
}

TEST(Configuration, LeavesThePathOfAPluginAsItIs) {
  EXPECT_EQ(load(kGood, {"task={name: mine, plugin: lib/mine.so}"}).task.plugin, "lib/mine.so");
}

TEST(Configuration, ReadsBackWhatItShows) {
  const Configuration configuration =
      load(kGood, {"schedules.warm={type: cosine, warmup_steps: 3, total_steps: 9}", "optimizers.main.schedule=warm",
                   "task.options={hidden: [4, 5]}", "checkpoints=[{name: a, every_steps: 3}, {name: b, limit: -1}]",
                   "trainer.clip_norm=0.5", "init_from=/some/where"});
  const nlohmann::json json = to_json(configuration);
  EXPECT_EQ(to_json(load(json.dump())), json);
}

TEST(Configuration, NeedsAnEnd) {
  EXPECT_THAT(error_in("task: {name: mlp}\ndata: {name: idx}\noptimizers: {a: {}}\ntrainer:\n  clip_norm: 1\n"),
              HasSubstr("x.yaml:4:1: trainer: expected max_steps or max_epochs, found neither"));
  EXPECT_THAT(error_in("task: {name: mlp}\ndata: {name: idx}\noptimizers: {a: {}}\n"),
              HasSubstr("x.yaml:1:1: trainer: expected max_steps"));
  EXPECT_EQ(error_with({"trainer={max_epochs: 0.5}"}), "(no ConfigError)");
}

TEST(Configuration, NeedsATaskDataAndAnOptimizer) {
  EXPECT_THAT(error_with({"task={options: {}}"}), HasSubstr("--set task={options: {}}: task: expected a name, found none"));
  EXPECT_THAT(error_with({"data.name=\"\""}), HasSubstr("data: expected a name, found none"));
  EXPECT_THAT(error_with({"optimizers="}), HasSubstr("optimizers: expected at least one optimizer, found none"));
}

TEST(Configuration, RefusesAScheduleThatDoesNotExist) {
  EXPECT_EQ(error_with({"schedules.warm={}", "optimizers.main.schedule=wram"}),
            "--set optimizers.main.schedule=wram: optimizers.main.schedule: expected a name under schedules (warm), found 'wram': "
            "did you mean 'warm'?");
  EXPECT_THAT(error_with({"optimizers.main.schedule=warm"}), HasSubstr("expected a name under schedules (there is none), found 'warm'"));
}

TEST(Configuration, RefusesAWarmUpLongerThanItsSchedule) {
  const std::string text = std::string(kGood) + "schedules:\n  warm:\n    type: linear\n    total_steps: 5\n    warmup_steps: 6\n";
  EXPECT_EQ(error_in(text), "x.yaml:10:19: schedules.warm.warmup_steps: expected at most total_steps (5), found 6");
  EXPECT_EQ(error_in(text, {"schedules.warm.total_steps=6"}), "(no ConfigError)");
}

TEST(Configuration, RefusesBetasThatAreNotTwo) {
  for (const char* betas : {"[]", "[0.9]", "[0.9, 0.99, 0.999]"})
    EXPECT_THAT(error_with({std::string("optimizers.main.betas=") + betas}), HasSubstr("optimizers.main.betas: expected two numbers"))
        << betas;
}

TEST(Configuration, RefusesKeysOfTheOtherOptimizer) {
  EXPECT_THAT(error_with({"optimizers.main.momentum=0.9"}),
              HasSubstr("optimizers.main.momentum: expected a key of adamw, found one of sgd"));
  EXPECT_THAT(error_with({"optimizers.main={type: sgd, eps: 1e-6}"}), HasSubstr("optimizers.main.eps: expected a key of sgd"));
  EXPECT_THAT(error_with({"optimizers.main={type: sgd, nesterov: true}"}), HasSubstr("expected momentum above 0 with nesterov"));
  EXPECT_EQ(error_with({"optimizers.main={type: sgd, nesterov: true, momentum: 0.9}"}), "(no ConfigError)");
}

TEST(Configuration, RefusesTwoOptimizersThatTakeTheRest) {
  EXPECT_THAT(error_with({"optimizers.other.lr=1"}), HasSubstr("only one optimizer can take all parameters that are left"));
  EXPECT_EQ(error_with({"optimizers.other.parameters=[encoder.]"}), "(no ConfigError)");
}

TEST(Configuration, RefusesTwoEntriesOfOneName) {
  const std::string text = std::string(kGood) + "checkpoints:\n  - {name: a}\n  - {name: b}\n  - {every_epochs: 1, name: a}\n";
  EXPECT_EQ(error_in(text), "x.yaml:9:29: checkpoints.2.name: expected a name of its own, found 'a', which an entry before it has");
  EXPECT_THAT(error_with({"checkpoints=[{}, {}]"}), HasSubstr("checkpoints.1.name: expected a name of its own, found 'default'"));
}

TEST(Configuration, RefusesNamesThatAreNoNames) {
  EXPECT_THAT(error_with({"checkpoints=[{name: a/b}]"}),
              HasSubstr("checkpoints.0.name: expected a name of letters, digits, _ and -, found 'a/b'"));
  EXPECT_THAT(error_with({"optimizers={a b: {}}"}), HasSubstr("optimizers: expected a name of letters, digits, _ and -, found 'a b'"));
  EXPECT_THAT(error_with({"schedules={..: {}}"}), HasSubstr("schedules: expected a name of letters, digits, _ and -"));
}

TEST(Configuration, RefusesEntriesThatMakeNoSense) {
  const auto refused = [](const std::string& keys) { return error_with({"checkpoints=[{" + keys + "}]"}); };
  EXPECT_THAT(refused("top_k: 3"), HasSubstr("checkpoints.0.top_k: expected -1, 0 or 1 without a monitor, found 3"));
  EXPECT_THAT(refused("top_k: 3, limit: 2, monitor: val_loss"), HasSubstr("checkpoints.0.limit: expected top_k or limit, found both"));
  EXPECT_THAT(refused("top_k: -2"), HasSubstr("checkpoints.0.top_k: expected an integer (states, -1 or more)"));
  EXPECT_THAT(refused("only_best: true"), HasSubstr("checkpoints.0.only_best: expected a monitor beside it"));
  EXPECT_THAT(refused("every_steps: 2.5"),
              HasSubstr("checkpoints.0.every_steps: expected a whole number, or a fraction of the run below 1"));
  EXPECT_THAT(refused("filename: \"{val_loss:d}\""), HasSubstr("'val_loss' has no format 'd'"));
  EXPECT_THAT(refused("filename: ../x"), HasSubstr("'../x' is no name of a file"));
  EXPECT_THAT(refused("name: step-1"), HasSubstr("checkpoints/ has such names of its own"));
  for (const char* keys : {"top_k: 3, monitor: val_loss", "top_k: -1", "top_k: 1", "limit: 0", "every_steps: 0.1", "every_minutes: 0",
                           "monitor: train_loss, only_best: true", "filename: \"{epoch:03d}-{val_accuracy:.3f}\""})
    EXPECT_EQ(refused(keys), "(no ConfigError)") << keys;
  EXPECT_THAT(error_with({"validation.every_steps=1.5"}), HasSubstr("validation.every_steps: expected a whole number"));
}

TEST(Configuration, RefusesMetricsThatTheRunDoesNotMeasure) {
  const auto refused = [](const std::string& keys) {
    const Configuration configuration = load(kGood, {"checkpoints=[{" + keys + "}]"});
    try {
      require_measured(configuration.checkpoints, configuration.tree, {"train_loss", "val_loss", "val_accuracy"});
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("(no ConfigError)");
  };
  EXPECT_THAT(refused("monitor: val_los"),
              HasSubstr("checkpoints.0.monitor: expected a metric that the run measures (train_loss, val_loss, val_accuracy), found "
                        "'val_los': did you mean 'val_loss'?"));
  EXPECT_THAT(refused("filename: \"{epoch}-{missing:.2f}\""), HasSubstr("checkpoints.0.filename: expected a metric that the run measures"));
  EXPECT_THAT(refused("last_filename: \"{val_los}\""), HasSubstr("checkpoints.0.last_filename: expected a metric"));
  EXPECT_EQ(refused("monitor: val_accuracy, filename: \"{epoch}-{step}-{val_loss:.2f}\""), "(no ConfigError)");
}

TEST(Configuration, KnowsThatWithoutAValidationOnlyTheTrainingLossIsMeasured) {
  EXPECT_THAT(error_with({"validation.at_end=false", "checkpoints=[{monitor: val_loss}]"}),
              HasSubstr("checkpoints.0.monitor: expected a metric that the run measures (train_loss), found 'val_loss'"));
  EXPECT_EQ(error_with({"validation.at_end=false", "checkpoints=[{monitor: train_loss}]"}), "(no ConfigError)");
  EXPECT_EQ(error_with({"validation.every_epochs=1", "validation.at_end=false", "checkpoints=[{monitor: val_loss}]"}), "(no ConfigError)");
}

TEST(Configuration, RefusesEntriesOfWhichNoneSavesWhatARunGoesOnFrom) {
  EXPECT_THAT(
      error_with({"checkpoints=[{name: a, weights_only: true}, {name: b, weights_only: true}]"}),
      AllOf(HasSubstr("checkpoints.0.weights_only: expected an entry that saves whole states, too, found weights_only in every entry"),
            HasSubstr("no run goes on from weights alone"), HasSubstr("`{name: resume, every_minutes: 10, limit: 1}`")));
  EXPECT_EQ(error_with({"checkpoints=[{name: a, weights_only: true}, {name: b}]"}), "(no ConfigError)");
  EXPECT_EQ(error_with({"checkpoints=[]"}), "(no ConfigError)") << "that says it";
}

TEST(Configuration, RefusesTwoPlacesToStartFrom) {
  EXPECT_THAT(error_with({"init_from=/a", "resume=/b"}), HasSubstr("init_from: a run starts either from"));
  EXPECT_EQ(error_with({"init_from=/a", "resume=none"}), "(no ConfigError)");
}

TEST(Configuration, RefusesTransformsThatCannotBeMeant) {
  const std::string average = "transforms.ema={type: ema, decay: 0.5}", entry = "checkpoints=[{name: best, transforms: [ema]}]";
  EXPECT_EQ(error_with({average, entry}), "(no ConfigError)");
  EXPECT_THAT(error_with({average, "checkpoints=[{transforms: [emma]}]"}),
              AllOf(HasSubstr("checkpoints.0.transforms.0: expected a name under transforms (ema), found 'emma'"),
                    HasSubstr("did you mean 'ema'?")));
  EXPECT_THAT(error_with({"checkpoints=[{transforms: [ema]}]"}),
              HasSubstr("expected a name under transforms (there is none), found 'ema'"));
  EXPECT_THAT(error_with({"transforms.step-00000001={type: ema}"}), HasSubstr("transforms.step-00000001: expected another name"));
  EXPECT_THAT(error_with({"transforms.a={}"}),
              HasSubstr("transforms.a.type: expected ema, half, scale, or a type that a plugin registers"));
  EXPECT_THAT(error_with({"transforms.a={type: half, decay: 0.5}"}),
              HasSubstr("transforms.a.decay: expected a key of half, found one of ema"));
  EXPECT_THAT(error_with({"transforms.a={type: half, of: b}", "transforms.b={type: scale}"}),
              HasSubstr("transforms.a.of: expected a name under transforms of type ema (there is none), found 'b'"));
  EXPECT_THAT(error_with({"transforms.a={type: ema, of: a}"}), HasSubstr("an average is one of the model's weights"));
  EXPECT_THAT(error_with({"transforms.a={type: half, plugin: x.so}"}),
              HasSubstr("transforms.a.plugin: expected none with a built-in type"));
  EXPECT_THAT(error_with({"transforms.a={type: half, options: {x: 1}}"}), HasSubstr("its keys stand beside `type`"));
  EXPECT_THAT(error_with({"validation.weights=ema"}), HasSubstr("validation.weights: expected a name under transforms of type ema"));
}

TEST(Configuration, KnowsOfWhichWeightsWhatAnEntryMonitorsIsMeasured) {
  const std::vector<std::string> words = {"transforms.ema={type: ema}", "validation.weights=ema",
                                          "checkpoints=[{name: a, monitor: val_loss}, {name: b, monitor: val_accuracy}, {name: c, monitor: "
                                          "train_loss}, {name: d}]"};
  const Configuration configuration = load(kGood, words);
  std::vector<std::string> weights;
  for (const CheckpointOptions& entry : configuration.checkpoints) weights.push_back(entry.measured_weights);
  EXPECT_THAT(weights, testing::ElementsAre("ema", "ema", "", ""));
}

TEST(Configuration, RefusesABestThatCannotBeLoaded) {
  EXPECT_THAT(error_with({"checkpoints=[{load_best_at_end: true}]"}),
              HasSubstr("load_best_at_end: expected a monitor beside it, found none"));
  const std::string best = "{name: a, monitor: val_loss, after_validation: true, load_best_at_end: true}";
  EXPECT_EQ(error_with({"checkpoints=[" + best + "]"}), "(no ConfigError)");
  EXPECT_THAT(error_with({"checkpoints=[" + best + ", {name: b, monitor: val_loss, load_best_at_end: true}]"}),
              HasSubstr("checkpoints.1.load_best_at_end: expected one entry that asks for it, found a does, too"));
  EXPECT_THAT(error_with({"checkpoints=[" + best + "]", "transforms.ema={type: ema}", "validation.weights=ema"}),
              AllOf(HasSubstr("expected ema among the entry's transforms"), HasSubstr("add `transforms: [ema]` to the entry a")));
}

TEST(Configuration, RefusesTextThatIsNoUtf8) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("run\xff.yaml", kGood);  // the run is named after it
  EXPECT_THAT(config_error_of([&] { load_configuration(file); }),
              AllOf(HasSubstr("take the option \"/run/directory\": expected text in UTF-8"), HasSubstr("runs/run\xef\xbf\xbd")));
  Configuration configuration = load(kGood, {"run.name=Übung"});
  require_utf8(configuration);
  configuration.run.directory = "/a/\xc3";
  EXPECT_THAT(config_error_of([&] { require_utf8(configuration); }), HasSubstr("/run/directory"));
}

TEST(Configuration, SuggestsTheKeyForAWordOfOtherTrainers) {
  EXPECT_EQ(error_with({"optimizers.main.lerning_rate=1"}),
            "--set optimizers.main.lerning_rate=1: unknown key 'lerning_rate' in optimizers.main: did you mean 'lr'?");
  EXPECT_THAT(error_with({"data.batch_size=8"}), HasSubstr("did you mean 'global_batch_size'?"));
  EXPECT_THAT(error_with({"trainer.gradient_accumulation_steps=8"}), HasSubstr("did you mean 'accumulate_batches'?"));
  EXPECT_THAT(error_with({"zebra=8"}), HasSubstr("unknown key 'zebra' at the top level: allowed: run, task, data"));
}

TEST(Configuration, SuggestsTheChoiceForAWordOfOtherTrainers) {
  EXPECT_THAT(error_with({"run.device=gpu"}), HasSubstr("did you mean 'cuda'?"));
  EXPECT_THAT(error_with({"precision.compute=float16"}), HasSubstr("did you mean 'fp16'?"));
  EXPECT_THAT(error_with({"precision.compute=bfloat"}), HasSubstr("did you mean 'bf16'?"));
  EXPECT_THAT(error_with({"parallel.gradient_dtype=fp32"}), HasSubstr("did you mean 'float32'?"));
  EXPECT_THAT(error_with({"transforms={small: {type: half, precision: bfloat16}}"}), HasSubstr("did you mean 'bf16'?"));
  EXPECT_THAT(error_with({"transforms={small: {type: half, precision: fp32}}"}), testing::Not(HasSubstr("float32")))
      << "is no choice there";
}

TEST(Configuration, TheExampleOfTheReferenceIsComplete) {
  EXPECT_EQ(load(std::string(example_configuration())).schedules.at("warm").warmup_steps, 100);
}

}  // namespace
}  // namespace holdfast
