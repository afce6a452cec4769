#include <gtest/gtest.h>
#include <torch/torch.h>

#include "callbacks/time_limit.h"
#include "tests/unit/base/fake_clock.h"

namespace holdfast {
namespace {

class Limit : public testing::Test {
 protected:
  RunView view() { return {.state = state_, .last_step = 100, .epoch_samples = 10, .model = model_, .clock = clock_}; }
  void train(TimeLimit& limit, double seconds) {
    clock_.now += seconds;
    limit.on_step_end(view(), {}, *ranks_);
  }
  RunState state_;
  torch::nn::Module model_;
  FakeClock clock_;
  std::unique_ptr<Communicator> ranks_ = make_local_communicator();
};

TEST_F(Limit, CountsOverAttemptsAndNotBetweenThem) {
  TimeLimit first({.minutes = 1});
  first.on_fit_start(view(), *ranks_);
  train(first, 40);
  EXPECT_FALSE(first.end_reason());
  const nlohmann::json stored = first.state();
  train(first, 15);  // lost
  clock_.now += 1000;
  TimeLimit second({.minutes = 1});
  second.restore(stored);
  second.on_fit_start(view(), *ranks_);
  train(second, 19);
  EXPECT_FALSE(second.end_reason());
  train(second, 1);
  EXPECT_EQ(second.end_reason(), "it has trained for 60 s of 60");
}

TEST_F(Limit, IsReachedAgainAfterARestore) {
  TimeLimit first({.minutes = 1}), second({.minutes = 1}), longer({.minutes = 2});
  first.on_fit_start(view(), *ranks_);
  train(first, 61);
  for (TimeLimit* limit : {&second, &longer}) {
    limit->restore(first.state());
    limit->on_fit_start(view(), *ranks_);
  }
  EXPECT_TRUE(second.end_reason());
  EXPECT_FALSE(longer.end_reason());
}

}  // namespace
}  // namespace holdfast
