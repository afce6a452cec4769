#include "bench/scale/votes.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "bench/scale/simulated_ranks.h"

namespace holdfast {
namespace {

constexpr int kSteps = 4;  // in a repetition

Vote vote_of(int rank, int step) { return {.failed_rank = rank % 7 == step ? rank : Vote::kNone, .loss_sum = 0.1 * rank, .count = 1}; }

}  // namespace

std::vector<Figure> measure_votes(const ScaleTask& task) {
  Figure figure{.way = "vote", .ranks = task.ranks};
  for (int number = 0; number < task.repeat; ++number) {
    SimulatedRanks ranks(task.ranks, task.ranks);
    std::optional<Vote> first;
    ranks.run([&](Communicator& self) {
      for (int step = 0; step < kSteps; ++step) {
        const Vote combined = self.vote(vote_of(self.rank(), step));
        if (step > 0) continue;
        if (!first) first = combined;
        if (combined.loss_sum != first->loss_sum || combined.failed_rank != 0 || combined.count != task.ranks)
          throw Error("ranks have made different things of the same votes", kExitSoftware);
      }
    });
    std::vector<double> seconds;
    for (int rank = 0; rank < task.ranks; ++rank) seconds.push_back(ranks.seconds_of(rank) / kSteps);
    std::nth_element(seconds.begin(), seconds.begin() + task.ranks / 2, seconds.end());
    figure.seconds.push_back(seconds[static_cast<std::size_t>(task.ranks / 2)]);
    const Traffic& traffic = ranks.traffic().at("vote");
    const auto calls = traffic.calls;
    figure.facts = {{"vote_bytes", sizeof(Vote)},
                    {"messages", traffic.messages / calls},
                    {"bytes", traffic.bytes / calls},
                    {"bytes_a_rank", traffic.rank0_bytes / calls},
                    {"rounds", traffic.rounds / calls},
                    {"serial_bytes", traffic.serial_bytes / calls},
                    {"memory_bytes", static_cast<std::size_t>(task.ranks) * sizeof(Vote)}};
  }
  return {figure};
}

}  // namespace holdfast
