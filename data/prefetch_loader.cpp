#include "data/prefetch_loader.h"

#include <c10/util/ParallelGuard.h>
#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "base/error.h"

namespace holdfast {
namespace {

class PrefetchLoader final : public BatchLoader {
 public:
  PrefetchLoader(std::shared_ptr<const DataSource> source, const BatchPlan& plan, std::int64_t ahead)
      : source_(std::move(source)), plan_(plan), ahead_(static_cast<std::size_t>(ahead)) {
    if (ahead_ > 0) thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }

  std::int64_t epoch_samples() const override { return plan_.epoch_samples(); }
  std::int64_t next_global_samples() const override { return plan_.global_samples_at(position_); }

  void seek(std::int64_t samples_seen) override {
    const std::lock_guard lock(mutex_);
    position_ = next_to_load_ = samples_seen;
    is_sought_ = true;
    ready_.clear();
    ++generation_;
    changed_.notify_all();
  }

  Batch next() override {
    if (!is_sought_) throw std::logic_error("a loader's next() before its first seek()");
    const std::int64_t at = position_;
    position_ += plan_.global_samples_at(at);
    if (ahead_ == 0) return load(at);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ready_.empty(); });
    const Item item = std::move(ready_.front());
    ready_.pop_front();
    changed_.notify_all();
    lock.unlock();
    if (item.failure) std::rethrow_exception(item.failure);
    return item.batch;
  }

 private:
  struct Item {
    Batch batch;
    std::exception_ptr failure;
  };

  Batch load(std::int64_t at) const { return source_->load(plan_.my_indices_at(at), at / plan_.epoch_samples(), plan_.seed); }

  void work(const std::stop_token& stop) {
    const c10::ParallelGuard serial(true);  // no threads of its own beside those of training
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [&] { return next_to_load_ >= 0 && ready_.size() < ahead_; })) {
      const std::int64_t at = next_to_load_, generation = generation_;
      next_to_load_ += plan_.global_samples_at(at);
      lock.unlock();
      Item item;
      try {
        item.batch = load(at);
      } catch (...) {
        item.failure = std::current_exception();
      }
      lock.lock();
      if (generation == generation_) ready_.push_back(std::move(item));
      changed_.notify_all();
    }
  }

  std::shared_ptr<const DataSource> source_;
  BatchPlan plan_;
  std::size_t ahead_;
  std::int64_t position_ = 0;
  bool is_sought_ = false;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::deque<Item> ready_;
  std::int64_t next_to_load_ = -1;  // nothing before the first seek
  std::int64_t generation_ = 0;
  std::jthread thread_;  // last: ends before the rest goes
};

}  // namespace

std::unique_ptr<BatchLoader> make_loader(std::shared_ptr<const DataSource> source, const BatchPlan& plan, std::int64_t ahead,
                                         const std::string& name) {
  if (plan.epoch_samples() < 1)
    throw DataError(
        ErrorText{.attempted = "make batches of the " + name,
                  .expected = plan.drop_last ? fmt::format("at least {} samples", plan.global_batch_size) : "at least one sample",
                  .found = fmt::format("{}", plan.dataset_samples),
                  .next = "look at the files and options that `data` names"});
  return std::make_unique<PrefetchLoader>(std::move(source), plan, ahead);
}

}  // namespace holdfast
