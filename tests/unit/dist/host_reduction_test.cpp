#include "dist/host_reduction.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "base/error.h"
#include "dist/reduction_kernel.h"

namespace holdfast {
namespace {

constexpr std::size_t kRegion = std::size_t{1} << 30;

/// Ranks of one process, each with regions and a thread of its own: the same maps, and failures that gtest sees.
void on_ranks(std::size_t count, const std::function<void(std::size_t rank, SharedRegions&, HostReduction&)>& body,
              const HostReduction::OverHosts& over_hosts = {}) {
  std::vector<std::unique_ptr<SharedRegions>> regions;
  std::vector<SharedRegions::Handle> handles;
  for (std::size_t rank = 0; rank < count; ++rank) {
    regions.push_back(std::make_unique<SharedRegions>(kRegion));
    handles.push_back(regions.back()->handle());
  }
  std::vector<std::jthread> threads;
  for (std::size_t rank = 0; rank < count; ++rank) {
    ASSERT_TRUE(regions[rank]->map(handles, rank));
    threads.emplace_back([&, rank] {
      HostReduction reduction(*regions[rank], rank, false, over_hosts);
      body(rank, *regions[rank], reduction);
    });
  }
}

template <class T>
std::span<std::byte> bytes_of(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

std::span<float> allocate(SharedRegions& regions, std::size_t count) {
  return {static_cast<float*>(regions.allocate(count * sizeof(float))), count};
}

/// Whose sum depends on the order of its terms.
float awkward(std::size_t i, std::size_t rank) {
  return std::ldexp(1.0F / static_cast<float>(3 + i % 17 + rank), static_cast<int>((i * 7 + rank * 13) % 40) - 20);
}

float sum_in_rank_order(std::size_t i, std::size_t ranks) {
  float sum = awkward(i, 0);
  for (std::size_t rank = 1; rank < ranks; ++rank) sum += awkward(i, rank);
  return sum;
}

TEST(HostReductionTest, SumsInRankOrderWhereTheValuesLie) {
  for (const std::size_t ranks : {2, 3, 5})
    for (const std::size_t count : {1, 15, 33, 4097, 100'003})
      on_ranks(ranks, [&](std::size_t rank, SharedRegions& regions, HostReduction& reduction) {
        const std::span<float> values = allocate(regions, count);
        for (std::size_t i = 0; i < count; ++i) values[i] = awkward(i, rank);
        reduction.finish(reduction.start(std::as_writable_bytes(values), ReduceType::f32, ReduceOp::sum));
        for (std::size_t i = 0; i < count; ++i)
          ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(sum_in_rank_order(i, ranks)))
              << ranks << " " << i;
      });
}

TEST(HostReductionTest, ValuesElsewhereGiveTheSameAndTheirCopiesAreFreed) {
  on_ranks(3, [&](std::size_t rank, SharedRegions& regions, HostReduction& reduction) {
    void* first = regions.allocate(5000 * sizeof(float));
    regions.deallocate(first);
    for (int round = 0; round < 10; ++round) {
      std::vector<float> values(5000);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = awkward(i, rank);
      reduction.finish(reduction.start(bytes_of(values), ReduceType::f32, ReduceOp::sum));
      for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], sum_in_rank_order(i, 3));
    }
    void* again = regions.allocate(5000 * sizeof(float));
    EXPECT_EQ(again, first);
  });
}

TEST(HostReductionTest, ManyAtOnceAreFinishedInAnyOrderByRanksThatLagBehind) {
  on_ranks(4, [&](std::size_t rank, SharedRegions&, HostReduction& reduction) {
    constexpr std::size_t kCount = 3000;  // more than are remembered at a time
    std::vector<std::vector<double>> values(kCount, std::vector<double>{static_cast<double>(rank)});
    std::vector<std::uint64_t> tickets;
    for (std::size_t i = 0; i < kCount; ++i) {
      if (i % (100 * (rank + 1)) == 0) std::this_thread::yield();
      tickets.push_back(reduction.start(bytes_of(values[i]), ReduceType::f64, ReduceOp::sum));
    }
    for (std::size_t i = kCount; i-- > 0;) reduction.finish(tickets[i]);
    for (const auto& one : values) ASSERT_EQ(one[0], 6);
  });
}

TEST(HostReductionTest, TakesMaximumAndMinimumOfIntegersExactly) {
  on_ranks(3, [](std::size_t rank, SharedRegions&, HostReduction& reduction) {
    std::vector<std::int64_t> most{(std::int64_t{1} << 60) + static_cast<std::int64_t>(rank), -static_cast<std::int64_t>(rank)},
        least = most;
    reduction.finish(reduction.start(bytes_of(most), ReduceType::i64, ReduceOp::max));
    reduction.finish(reduction.start(bytes_of(least), ReduceType::i64, ReduceOp::min));
    EXPECT_EQ(most, (std::vector<std::int64_t>{(std::int64_t{1} << 60) + 2, 0}));
    EXPECT_EQ(least, (std::vector<std::int64_t>{std::int64_t{1} << 60, -2}));
  });
}

TEST(HostReductionTest, NamesTheLowestRankWhoseValuesAreNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<int> seen(3, -2);
    on_ranks(3, [&](std::size_t rank, SharedRegions&, HostReduction& reduction) {
      std::vector<float> values(50'000, 1);
      if (rank == 2) values[7] = bad;
      if (rank == 1) values[11] = bad;
      reduction.finish(reduction.start(bytes_of(values), ReduceType::f32, ReduceOp::sum));
      seen[rank] = reduction.take_nonfinite();
      EXPECT_EQ(reduction.take_nonfinite(), -1);  // told once
      values.assign(values.size(), std::numeric_limits<float>::max());
      reduction.finish(reduction.start(bytes_of(values), ReduceType::f32, ReduceOp::sum));
      EXPECT_EQ(reduction.take_nonfinite(), -1);  // the sum has overflown, and no rank is to blame
      EXPECT_TRUE(std::isinf(values[0]));
    });
    EXPECT_EQ(seen, (std::vector<int>{1, -1, -1}));  // by whoever had that slice
  }
}

TEST(HostReductionTest, HalvesAreSummedInSinglePrecisionAndRoundedOnce) {
  for (const ReduceType type : {ReduceType::bf16, ReduceType::f16}) {
    const float step = type == ReduceType::bf16 ? 0x1p-8F : 0x1p-11F;  // half of the distance from 1 to the next number
    on_ranks(3, [&](std::size_t rank, SharedRegions&, HostReduction& reduction) {
      // 1 and two times a bit more than half the distance: each addition by itself would round up, the sum of all is rounded once.
      const float value = rank == 0 ? 1 : step * 0.75F;
      const auto half = type == ReduceType::bf16 ? static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16)
                                                 : std::bit_cast<std::uint16_t>(static_cast<_Float16>(value));
      std::vector<std::uint16_t> values(1000, half);
      reduction.finish(reduction.start(bytes_of(values), type, ReduceOp::sum));
      const float sum = type == ReduceType::bf16 ? std::bit_cast<float>(static_cast<std::uint32_t>(values[999]) << 16)
                                                 : static_cast<float>(std::bit_cast<_Float16>(values[999]));
      EXPECT_EQ(sum, 1 + 2 * step);
    });
  }
}

TEST(HostReductionTest, RanksThatReduceDifferentThingsAreToldSo) {
  on_ranks(2, [](std::size_t rank, SharedRegions&, HostReduction& reduction) {
    std::vector<float> values(rank == 0 ? 10 : 12);
    try {
      reduction.finish(reduction.start(bytes_of(values), ReduceType::f32, ReduceOp::sum));
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(rank == 0 ? "local rank 1 48 bytes" : "local rank 0 40 bytes"), std::string::npos)
          << error.what();
    }
  });
}

TEST(HostReductionTest, OverSeveralHostsTheSlicesAreSummedByTheFunctionThatWasPassed) {
  const auto check = [](std::size_t rank, SharedRegions&, HostReduction& reduction) {
    std::vector<float> values(1001, static_cast<float>(rank + 1));
    reduction.finish(reduction.start(bytes_of(values), ReduceType::f32, ReduceOp::sum));
    EXPECT_EQ(values, std::vector<float>(1001, 103));
  };
  on_ranks(2, check, [](std::span<std::byte> slice, ReduceType, ReduceOp) {
    for (std::size_t i = 0; i < slice.size() / sizeof(float); ++i) reinterpret_cast<float*>(slice.data())[i] += 100;
  });
}

TEST(HostReductionTest, ProcessesShareWhatThreadsDo) {
  SharedRegions mine(kRegion);
  int parents[2], children[2];
  ASSERT_EQ(::pipe(parents), 0);
  ASSERT_EQ(::pipe(children), 0);
  const pid_t child = ::fork();
  const auto sum_of = [](SharedRegions& regions, std::size_t rank) {
    HostReduction reduction(regions, rank, false);
    const std::span<float> values = allocate(regions, 100'000);
    for (float& value : values) value = static_cast<float>(rank + 1);
    for (int round = 0; round < 50; ++round)
      reduction.finish(reduction.start(std::as_writable_bytes(values.subspan(static_cast<std::size_t>(round) * 1000, 1000)),
                                       ReduceType::f32, ReduceOp::sum));
    return std::all_of(values.begin(), values.begin() + 50'000, [](float value) { return value == 3; });
  };
  if (child == 0) {
    SharedRegions regions(kRegion);
    std::vector<SharedRegions::Handle> handles{{}, regions.handle()};
    const bool is_told = ::write(children[1], &handles[1], sizeof handles[1]) > 0 && ::read(parents[0], &handles[0], sizeof handles[0]) > 0;
    ::_exit(is_told && regions.map(handles, 1) && sum_of(regions, 1) ? 0 : 1);
  }
  std::vector<SharedRegions::Handle> handles{mine.handle(), {}};
  ASSERT_GT(::write(parents[1], &handles[0], sizeof handles[0]), 0);
  ASSERT_GT(::read(children[0], &handles[1], sizeof handles[1]), 0);
  ASSERT_TRUE(mine.map(handles, 0));
  EXPECT_TRUE(sum_of(mine, 0));
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(SharedRegionsTest, AProcessThatIsNotMeantIsNotMapped) {
  SharedRegions mine(kRegion);
  for (const auto& [change, what] : std::vector<std::pair<std::function<void(SharedRegions::Handle&)>, std::string>>{
           {[](SharedRegions::Handle& handle) { ++handle.token; }, "another region of that size"},
           {[](SharedRegions::Handle& handle) { handle.bytes *= 2; }, "another file"},
           {[](SharedRegions::Handle& handle) { handle.fd = 0; }, "no region"},
           {[](SharedRegions::Handle& handle) { handle.pid = std::numeric_limits<pid_t>::max(); }, "no process"},
           {[](SharedRegions::Handle& handle) { handle.fd = -1; }, "one that could make none"}}) {
    SharedRegions other(kRegion);
    SharedRegions::Handle handle = other.handle();
    change(handle);
    SharedRegions again(kRegion);
    EXPECT_FALSE(again.map(std::vector{again.handle(), handle}, 0)) << what;
  }
}

TEST(SharedRegionsTest, WhatEndsBeforeAPlaceLeavesTheRestToOthers) {
  SharedRegions regions(1 << 20);
  ASSERT_TRUE(regions.map({{regions.handle()}}, 0));
  int count = 0;
  while (regions.allocate(64 << 10, 1 << 19) != nullptr) ++count;
  EXPECT_EQ(count, ((1 << 19) - static_cast<int>(SharedRegions::kControlBytes)) / (64 << 10));
  void* const behind = regions.allocate(1 << 18);
  ASSERT_NE(behind, nullptr);
  regions.deallocate(behind);
  EXPECT_EQ(regions.allocate(1 << 18, 1 << 19), nullptr) << "also what was freed there";
  EXPECT_EQ(regions.allocate(1 << 18), behind);
}

TEST(SharedRegionsTest, MemoryThatIsFreedIsUsedAgainAndWhatDoesNotFitIsRefused) {
  SharedRegions regions(SharedRegions::kControlBytes + 64 * 4096);
  EXPECT_EQ(regions.allocate(65 * 4096), nullptr);
  void* const first = regions.allocate(40 * 4096 - 100);
  ASSERT_NE(first, nullptr);
  EXPECT_TRUE(regions.contains(first));
  EXPECT_EQ(regions.allocate(40 * 4096), nullptr);
  regions.deallocate(first);
  EXPECT_EQ(regions.allocate(39 * 4096), first);
  const int elsewhere = 0;
  EXPECT_FALSE(regions.contains(&elsewhere));
}

}  // namespace
}  // namespace holdfast
