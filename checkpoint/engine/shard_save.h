// One rank's share of one save: live state is copied into a ShardImage, hashed, and written to its file, by two threads of
// its own that work one behind the other. Local: knows no other rank. Made, asked and destroyed by the training thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "checkpoint/engine/partition.h"
#include "checkpoint/format/shard_image.h"

namespace holdfast {

/// How far an image is filled: its first bytes() bytes have their final values. One thread advances it, others wait.
class Watermark {
 public:
  void advance_to(std::uint64_t bytes);
  /// Nothing more comes: whoever waits gets GivenUp.
  void give_up();
  struct GivenUp {};
  /// Blocks until the image is filled up to `bytes`. Throws GivenUp, also when that was given up before.
  void wait_for(std::uint64_t bytes);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t bytes_ = 0;
  bool is_given_up_ = false;
};

class ShardSave {
 public:
  struct Outcome {
    std::string record;  // to_text() of this shard's
    /// Of `parts` and of `replicas`, one by one; the latter taken from this rank's live state.
    std::vector<std::vector<Digest>> blocks, replica_blocks;
  };
  struct Job {
    FileSystem& files;
    Path path;         // of the new file
    std::string host;  // as the record will name it
    /// image.layout().pieces[i] is what parts[i] says of `entries`. Kept by the caller until the save is over.
    ShardImage& image;
    std::span<const StateEntry> entries;  // must live until finish_staging() has returned
    std::vector<Part> parts;
    /// Parts that another rank writes, to be compared with what it has.
    std::vector<Part> replicas;
    std::function<void()> half_way;  // called by the writing thread
  };
  /// Copies what may change at any time, before it returns; state that only an update changes is copied afterwards.
  explicit ShardSave(Job job);
  /// Gives up what is not done and waits for its own threads, which may have a write or a sync to end.
  ~ShardSave();
  ShardSave(const ShardSave&) = delete;
  ShardSave& operator=(const ShardSave&) = delete;

  /// Blocks until nothing of the live state is needed any more: from then on an update may change it.
  void finish_staging();
  /// True when the shard is durable, or has failed.
  bool is_done() const { return running_.load(std::memory_order_acquire) == 0; }
  /// Blocks until is_done(). Throws what went wrong. Once.
  Outcome take();

 private:
  /// Copies a piece; `copied` hears how much of it is there.
  void stage(std::size_t piece, const std::function<void(std::uint64_t bytes)>& copied);
  void hash_replica(std::size_t replica);
  /// The copying thread.
  void copy_and_hash();
  void copy_live_state();
  /// The writing thread.
  void write();
  std::jthread start(void (ShardSave::*work)());

  Job job_;
  std::vector<std::size_t> in_file_order_;
  std::vector<bool> is_staged_;
  Watermark staged_;
  std::atomic<bool> is_live_state_needed_{true};
  std::atomic<int> running_{2};
  std::mutex mutex_;
  std::exception_ptr failure_;  // the first
  std::string record_;
  std::vector<std::vector<Digest>> blocks_, replica_blocks_;
  std::jthread copier_, writer_;
};

}  // namespace holdfast
