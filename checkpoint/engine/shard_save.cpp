#include "checkpoint/engine/shard_save.h"

#include <algorithm>
#include <numeric>

namespace holdfast {
namespace {

/// Copies run in steps of this size, so that the thread that writes can follow closely.
constexpr std::size_t kCopyBytes = std::size_t{4} << 20;

std::uint64_t first_byte(const StateEntry& entry, const Part& part) {
  return static_cast<std::uint64_t>(part.slice.offset - entry.slice.offset) * size_of(entry.info.dtype);
}

}  // namespace

void Watermark::advance_to(std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    bytes_ = bytes;
  }
  changed_.notify_all();
}

void Watermark::give_up() {
  {
    const std::lock_guard lock(mutex_);
    is_given_up_ = true;
  }
  changed_.notify_all();
}

void Watermark::wait_for(std::uint64_t bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_given_up_ || bytes_ >= bytes; });
  if (is_given_up_) throw GivenUp{};
}

ShardSave::ShardSave(Job job) : job_(std::move(job)), is_staged_(job_.parts.size(), false), replica_blocks_(job_.replicas.size()) {
  in_file_order_.resize(job_.parts.size());
  std::iota(in_file_order_.begin(), in_file_order_.end(), std::size_t{0});
  const std::vector<std::uint64_t>& offsets = job_.image.layout().offsets;
  std::stable_sort(in_file_order_.begin(), in_file_order_.end(), [&](std::size_t a, std::size_t b) { return offsets[a] < offsets[b]; });
  for (std::size_t i = 0; i < job_.parts.size(); ++i)
    if (!job_.entries[job_.parts[i].entry].changes_only_in_update) stage(i, [](std::uint64_t) {});
  for (std::size_t i = 0; i < job_.replicas.size(); ++i)
    if (!job_.entries[job_.replicas[i].entry].changes_only_in_update) hash_replica(i);
  copier_ = start(&ShardSave::copy_and_hash);
  writer_ = start(&ShardSave::write);
}

ShardSave::~ShardSave() { staged_.give_up(); }

std::jthread ShardSave::start(void (ShardSave::*work)()) {
  return std::jthread([this, work] {
    try {
      (this->*work)();
    } catch (const Watermark::GivenUp&) {  // whoever gave up has said why
    } catch (...) {
      {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      staged_.give_up();
    }
    running_.fetch_sub(1, std::memory_order_acq_rel);
    running_.notify_all();
  });
}

void ShardSave::stage(std::size_t piece, const std::function<void(std::uint64_t bytes)>& copied) {
  const StateEntry& entry = job_.entries[job_.parts[piece].entry];
  const std::span<std::byte> place = job_.image.place(piece);
  const std::uint64_t first = first_byte(entry, job_.parts[piece]);
  for (std::size_t at = 0; at < place.size(); at += kCopyBytes) {
    const std::size_t end = std::min(place.size(), at + kCopyBytes);
    entry.copy_to(first + at, place.subspan(at, end - at));
    copied(end);
  }
  is_staged_[piece] = true;
}

void ShardSave::hash_replica(std::size_t replica) {
  const Part& part = job_.replicas[replica];
  const StateEntry& entry = job_.entries[part.entry];
  const std::uint64_t first = first_byte(entry, part), bytes = static_cast<std::uint64_t>(part.slice.count) * size_of(entry.info.dtype);
  std::vector<std::byte> block(std::min<std::uint64_t>(bytes, kDigestBlockBytes));
  for (std::uint64_t at = 0; at < bytes; at += block.size()) {
    const std::span<std::byte> into = std::span(block).first(std::min<std::uint64_t>(block.size(), bytes - at));
    entry.copy_to(first + at, into);
    replica_blocks_[replica].push_back(digest_of(into));
  }
}

void ShardSave::copy_live_state() {
  const std::vector<std::uint64_t>& offsets = job_.image.layout().offsets;
  for (const std::size_t piece : in_file_order_)
    if (!is_staged_[piece]) stage(piece, [&](std::uint64_t bytes) { staged_.advance_to(offsets[piece] + bytes); });
  staged_.advance_to(job_.image.bytes().size());
  for (std::size_t i = 0; i < job_.replicas.size(); ++i)
    if (job_.entries[job_.replicas[i].entry].changes_only_in_update) hash_replica(i);
}

void ShardSave::copy_and_hash() {
  const auto release_live_state = [this] {
    is_live_state_needed_.store(false, std::memory_order_release);
    is_live_state_needed_.notify_all();
  };
  try {
    copy_live_state();
  } catch (...) {
    release_live_state();
    throw;
  }
  release_live_state();
  for (std::size_t i = 0; i < job_.parts.size(); ++i) blocks_.push_back(job_.image.digests(i));
  ShardRecord record = record_of(job_.image.layout(), job_.path.filename().string(), blocks_);
  record.host = job_.host;
  record_ = to_text(record);
}

void ShardSave::write() {
  write_image(job_.files, job_.path, job_.image,
              {.wait_until_staged = [this](std::uint64_t end) { staged_.wait_for(end); }, .half_way = job_.half_way});
  job_.files.sync_directory(job_.path.parent_path());
}

void ShardSave::finish_staging() { is_live_state_needed_.wait(true, std::memory_order_acquire); }

ShardSave::Outcome ShardSave::take() {
  for (int running = running_.load(); running != 0; running = running_.load()) running_.wait(running);
  if (failure_) std::rethrow_exception(failure_);
  return {std::move(record_), std::move(blocks_), std::move(replica_blocks_)};
}

}  // namespace holdfast
