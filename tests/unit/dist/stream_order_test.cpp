#include "dist/stream_order.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/unit/dist/late_device.h"

namespace holdfast {
namespace {

/// Whichever stream runs ahead of the others.
class StreamOrder : public testing::TestWithParam<StreamName> {
 protected:
  LateDevice device{GetParam()};
};

std::string name_of(const testing::TestParamInfo<StreamName>& info) {
  return info.param == StreamName::compute         ? "ComputingAhead"
         : info.param == StreamName::communication ? "CommunicatingAhead"
                                                   : "CopyingAhead";
}
INSTANTIATE_TEST_SUITE_P(Favoured, StreamOrder, testing::Values(StreamName::compute, StreamName::communication, StreamName::copy), name_of);

/// Steps of a training whose gradient is the step's number and whose all-reduce doubles it, as on two ranks that are alike.
TEST_P(StreamOrder, AnUpdateSeesTheReducedGradientOfItsOwnStep) {
  AllReduceOrder order(device);
  double gradient = 0, parameter = 0, expected = 0;
  for (int step = 1; step <= 3; ++step) {
    device.queue(StreamName::compute, [&gradient, step] { gradient = step; });
    order.before();
    device.queue(StreamName::communication, [&gradient] { gradient *= 2; });
    order.after(static_cast<std::uint64_t>(step));
    order.finish(static_cast<std::uint64_t>(step));
    device.queue(StreamName::compute, [&parameter, &gradient] { parameter += gradient; });
    expected += 2 * step;
  }
  device.finish();
  EXPECT_EQ(parameter, expected);
  EXPECT_EQ(device.live_marks(), 0) << "marks are used again";
}

/// The second bucket's gradient is computed while the first is being reduced, and they are finished in another order.
TEST_P(StreamOrder, BucketsAreReducedBehindTheComputingAndFinishedInAnyOrder) {
  AllReduceOrder order(device);
  double first = 0, second = 0, sum = 0;
  device.queue(StreamName::compute, [&] { first = 1; });
  order.before();
  device.queue(StreamName::communication, [&] { first *= 10; });
  order.after(1);
  device.queue(StreamName::compute, [&] { second = 2; });
  order.before();
  device.queue(StreamName::communication, [&] { second *= 10; });
  order.after(2);
  order.finish(2);
  order.finish(1);
  device.queue(StreamName::compute, [&] { sum = first + second; });
  device.finish();
  EXPECT_EQ(sum, 30);
}

TEST_P(StreamOrder, AnAllReduceIsFinishedOnce) {
  AllReduceOrder order(device);
  order.after(7);
  order.finish(7);
  EXPECT_THROW(order.finish(7), std::logic_error);
  EXPECT_THROW(order.finish(8), std::logic_error);
}

/// A save of what the last update has left, while the device is still at that update and at the batches behind it.
TEST_P(StreamOrder, ACopyHoldsTheStateOfTheMomentItWasAskedFor) {
  double parameter = 0, scratch = 0;
  std::optional<double> staged;
  device.queue(StreamName::compute, [&] { parameter = 5; });  // the update
  CopyOrder order(device);
  device.queue(StreamName::compute, [&] { scratch = parameter; });  // the next batch, which only reads
  order.before();
  device.queue(StreamName::copy, [&] { staged = parameter; });
  order.after();
  ASSERT_TRUE(staged) << "the bytes are there when after() returns";
  EXPECT_EQ(*staged, 5);
  device.queue(StreamName::compute, [&] { parameter = 6; });  // the next update, which waits for the staging on the host
  device.finish();
  EXPECT_EQ(*staged, 5);
}

/// What a save is for: it does not make the device's computing wait, nor wait for what was queued behind the moment.
TEST_P(StreamOrder, ACopyDoesNotWaitForWhatIsComputedLater) {
  bool has_computed = false;
  device.queue(StreamName::compute, [] {});
  CopyOrder order(device);
  device.queue(StreamName::compute, [&] { has_computed = true; });
  order.before();
  device.queue(StreamName::copy, [] {});
  order.after();
  EXPECT_EQ(has_computed, GetParam() == StreamName::compute);
  device.finish();
}

}  // namespace
}  // namespace holdfast
