#include "bench/scale/simulated_ranks.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "base/error.h"

namespace holdfast {
namespace {

TEST(SimulatedRanks, HaveCollectivesThatDoWhatThoseOfMpiDo) {
  constexpr int kRanks = 100;
  SimulatedRanks ranks(kRanks, kRanks);
  int done = 0;
  ranks.run([&](Communicator& self) {
    const Vote combined = self.vote({.failed_rank = self.rank() > 40 ? self.rank() : Vote::kNone, .loss_sum = 1, .count = self.rank()});
    EXPECT_EQ(combined.failed_rank, 41);
    EXPECT_EQ(combined.loss_sum, kRanks);
    EXPECT_EQ(combined.count, kRanks * (kRanks - 1) / 2);
    EXPECT_EQ(broadcast_text(self, self.rank() == 7 ? "from seven" : "", 7), "from seven");
    const std::vector<std::string> texts = self.gather(std::to_string(self.rank()), 0);
    EXPECT_EQ(texts.size(), self.rank() == 0 ? 100u : 0u);
    EXPECT_TRUE(self.rank() != 0 || texts.at(99) == "99");
    self.barrier();
    ++done;
  });
  EXPECT_EQ(done, kRanks);
  EXPECT_EQ(ranks.traffic().at("vote").calls, 1u);
  EXPECT_EQ(ranks.traffic().at("broadcast").calls, 2u) << "the length, then the text";
  EXPECT_EQ(ranks.traffic().at("gather").calls, 1u);
  EXPECT_EQ(ranks.traffic().at("vote").messages, 100u * 7);
}

TEST(SimulatedRanks, RunUpToTheirNextCollectiveOneAfterTheOther) {
  SimulatedRanks ranks(3, 3);
  std::string order;
  ranks.run([&](Communicator& self) {
    for (const char* round : {"a", "b"}) {
      order += round + std::to_string(self.rank());
      self.barrier();
    }
  });
  EXPECT_EQ(order, "a0a1a2b0b1b2");
}

TEST(SimulatedRanks, ThatAreLeftOutSayWhatTheLastOneSays) {
  SimulatedRanks ranks(1000, 3);
  ranks.run([&](Communicator& self) {
    EXPECT_EQ(self.size(), 1000);
    EXPECT_EQ(self.vote({.count = self.rank()}).count, 1 + 2 * 998);
    const std::vector<std::string> texts = self.gather(std::to_string(self.rank()), 0);
    EXPECT_TRUE(self.rank() != 0 || texts.at(999) == "2");
  });
}

TEST(SimulatedRanks, ThatComeToDifferentCollectivesAreAnErrorAndNoHang) {
  SimulatedRanks ranks(3, 3);
  EXPECT_THROW(ranks.run([](Communicator& self) { self.rank() == 1 ? self.barrier() : static_cast<void>(self.vote({})); }),
               std::logic_error);
  SimulatedRanks early(3, 3);
  EXPECT_THROW(early.run([](Communicator& self) {
    if (self.rank() != 1) self.barrier();
  }),
               std::logic_error);
}

TEST(SimulatedRanks, EndWithTheOneThatThrows) {
  SimulatedRanks ranks(50, 50);
  int lost = 0;
  EXPECT_THROW(ranks.run([&](Communicator& self) {
    if (self.rank() == 10) throw std::runtime_error("it has failed");
    try {
      self.barrier();
      self.barrier();
    } catch (const PeerLost&) {
      ++lost;
      throw;
    }
  }),
               std::runtime_error);
  EXPECT_EQ(lost, 49);
}

}  // namespace
}  // namespace holdfast
