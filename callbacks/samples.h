// Shows after each validation what the model makes: the texts of the task's samples().
#pragma once

#include "options/field.h"
#include "trainer/callback.h"
#include "trainer/sampling.h"

namespace holdfast {

struct SamplesOptions {
  std::int64_t count = 1;
  std::int64_t seed = 0;
  void describe(FieldVisitor& visitor) {
    visitor.field({.name = "count", .doc = "How many texts.", .unit = "texts", .min = 1, .max = 1000}, count);
    visitor.field({.name = "seed", .doc = "Of the random numbers that are drawn for them, together with the step.", .min = 0}, seed);
  }
};

class Samples final : public Callback {
 public:
  Samples(const SamplesOptions& options, Task& task) : options_(options), task_(task) {}
  void on_validation_end(const RunView& run, const std::map<std::string, double>&, Communicator& ranks) override {
    if (ranks.rank() != 0) return;
    const auto seed = static_cast<std::uint64_t>(options_.seed) * 0x9e3779b97f4a7c15 + static_cast<std::uint64_t>(run.state.global_step);
    texts_ = draw_samples(task_, options_.count, seed);
  }
  std::vector<std::string> texts() override { return std::move(texts_); }

 private:
  SamplesOptions options_;
  Task& task_;
  std::vector<std::string> texts_;
};

}  // namespace holdfast
