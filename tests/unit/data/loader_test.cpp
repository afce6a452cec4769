#include <gtest/gtest.h>
#include <torch/torch.h>

#include "base/error.h"
#include "data/prefetch_loader.h"
#include "data/random.h"

namespace holdfast {
namespace {

RandomOptions small() { return {.shape = {2, 3}, .classes = 5, .samples = 50}; }

BatchPlan plan(int rank = 0, int world_size = 1) {
  return {.dataset_samples = 50, .global_batch_size = 8, .seed = 4, .rank = rank, .world_size = world_size};
}

TEST(Loader, PrefetchedBatchesAreThoseThatAreReadInPlace) {
  const auto source = make_random(small()).training;
  const auto ahead = make_loader(source, plan(), 3), in_place = make_loader(source, plan(), 0);
  ahead->seek(0);
  in_place->seek(0);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(ahead->next_global_samples(), in_place->next_global_samples());
    const Batch a = ahead->next(), b = in_place->next();
    ASSERT_EQ(a.samples, b.samples);
    ASSERT_TRUE(torch::equal(a.fields[0], b.fields[0]) && torch::equal(a.fields[1], b.fields[1])) << "batch " << i;
  }
}

TEST(Loader, SeekingGoesOnAsIfEverythingBeforeHadBeenRead) {
  const auto source = make_random(small()).training;
  const auto loader = make_loader(source, plan(), 2), other = make_loader(source, plan(), 2);
  loader->seek(0);
  std::int64_t seen = 0;
  for (int i = 0; i < 9; ++i) {
    seen += loader->next_global_samples();
    loader->next();
  }
  other->seek(seen);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(torch::equal(loader->next().fields[0], other->next().fields[0]));
}

class BrokenSource final : public DataSource {
 public:
  std::int64_t size() const override { return 50; }
  Batch load(std::span<const std::int64_t> indices, std::int64_t, std::uint64_t) const override {
    for (const std::int64_t index : indices)
      if (index == 17) throw DataError("sample 17 cannot be read");
    return {{torch::zeros({static_cast<std::int64_t>(indices.size())})}, static_cast<std::int64_t>(indices.size())};
  }
};

TEST(Loader, AFailureInThePrefetchingThreadReachesTheTrainingThread) {
  const auto loader = make_loader(std::make_shared<BrokenSource>(), plan(), 2);
  loader->seek(0);
  EXPECT_THROW(
      {
        for (int i = 0; i < 7; ++i) loader->next();
      },
      DataError);
}

TEST(Loader, DataWithoutASampleAreRefusedByName) {
  BatchPlan empty = plan();
  empty.dataset_samples = 0;
  try {
    make_loader(std::make_shared<BrokenSource>(), empty, 0, "validation data");
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("validation data: expected at least one sample, found 0"), std::string::npos) << error.what();
  }
}

TEST(Loader, NextBeforeTheFirstSeekIsAnError) {
  for (const std::int64_t ahead : {0, 2}) EXPECT_THROW(make_loader(make_random(small()).training, plan(), ahead)->next(), std::logic_error);
}

TEST(RandomData, IsAFunctionOfItsSeed) {
  const auto a = make_random(small()).training, b = make_random(small()).training;
  RandomOptions options = small();
  options.seed = 1;
  const auto c = make_random(options).training;
  const std::vector<std::int64_t> indices = {3, 1, 4};
  EXPECT_TRUE(torch::equal(a->load(indices, 0, 0).fields[0], b->load(indices, 0, 0).fields[0]));
  EXPECT_FALSE(torch::equal(a->load(indices, 0, 0).fields[0], c->load(indices, 0, 0).fields[0]));
}

}  // namespace
}  // namespace holdfast
