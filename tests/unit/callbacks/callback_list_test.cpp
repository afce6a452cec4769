#include "trainer/callback_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "base/error.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Scripted final : Callback {
  json state() const override { return its; }
  void restore(const json& state) override { its = state.at("value"); }
  void add_metrics(json& line) override { line.update(added); }
  json its, added = json::object();
};

class Callbacks : public testing::Test {
 protected:
  CallbackList make(const std::string& type = "scripted") {
    Registry registry;
    registry.add_callback(type, [this](const CallbackOptions&, const ComponentContext&) {
      auto callback = std::make_unique<Scripted>();
      scripted_ = callback.get();
      return callback;
    });
    Configuration configuration;
    configuration.callbacks["mine"].type = type;
    return CallbackList(configuration, registry, {});
  }
  template <class Error, class Call>
  std::string refusal(Call call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  Scripted* scripted_ = nullptr;
};

TEST_F(Callbacks, KeepsStatesUnderTheirNames) {
  const CallbackList callbacks = make();
  EXPECT_EQ(callbacks.state(), json::object());
  scripted_->its = {{"value", 3}};
  EXPECT_EQ(callbacks.state(), (json{{"mine", {{"type", "scripted"}, {"state", {{"value", 3}}}}}}));
}

TEST_F(Callbacks, RefusesAStateThatJsonWouldNotGiveBack) {
  const CallbackList callbacks = make();
  scripted_->its = {{"best", {1.0, std::numeric_limits<double>::infinity()}}};
  EXPECT_THAT(refusal<Error>([&] { callbacks.state(); }), HasSubstr("callbacks.mine, state: a number is not finite"));
  scripted_->its = "\xff";
  EXPECT_THAT(refusal<Error>([&] { callbacks.state(); }), HasSubstr("callbacks.mine, state: "));
}

TEST_F(Callbacks, GivesAStateBackToTheSameTypeAlone) {
  const json stored = {{"mine", {{"type", "scripted"}, {"state", {{"value", 3}}}}}};
  const CallbackList others = make("another");
  others.restore(stored);
  EXPECT_EQ(scripted_->its, json());
  const CallbackList same = make();
  same.restore(stored);
  EXPECT_EQ(scripted_->its, 3);
}

TEST_F(Callbacks, SaysWhatToDoWhereAStateCannotBeTakenBack) {
  const CallbackList callbacks = make();
  const std::string words = refusal<ConfigError>([&] { callbacks.restore({{"mine", {{"type", "scripted"}, {"state", {{"other", 3}}}}}}); });
  EXPECT_THAT(words, HasSubstr("callbacks.mine, restore: "));
  EXPECT_THAT(words, HasSubstr("give callbacks.mine another name"));
}

TEST_F(Callbacks, AddsNumbersToALineAndChangesNone) {
  const CallbackList callbacks = make();
  json line = {{"step", 3}};
  scripted_->added = {{"speed", {{"a", 1}, {"b", 2.5}}}};
  callbacks.add_metrics(line);
  EXPECT_EQ(line, (json{{"step", 3}, {"speed", {{"a", 1}, {"b", 2.5}}}}));
  scripted_->added = {{"step", 4}};
  EXPECT_THAT(refusal<Error>([&] { callbacks.add_metrics(line); }),
              HasSubstr("callbacks.mine, add_metrics: the line has a 'step' already"));
  scripted_->added = {{"word", "x"}};
  EXPECT_THAT(refusal<Error>([&] { callbacks.add_metrics(line); }), HasSubstr("'word' is no number"));
  EXPECT_EQ(line["step"], 3);
}

}  // namespace
}  // namespace holdfast
