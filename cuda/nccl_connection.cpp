#include "cuda/nccl_connection.h"

#include <fmt/format.h>

#include <chrono>
#include <span>
#include <thread>
#include <utility>

#include "base/error.h"
#include "dist/tear_down.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds kLockLimit{2};
constexpr std::chrono::microseconds kPollInterval{50};

std::string text_of(ncclResult_t result) {
  const char* details = ncclGetLastError(nullptr);  // of the process: NCCL keeps none for each communicator
  return fmt::format("{}{}{}", ncclGetErrorString(result), details && *details ? ": " : "", details ? details : "");
}

/// Collective.
ncclUniqueId identifier_for(Communicator& ranks) {
  ncclUniqueId id{};
  std::string failure;
  if (ranks.rank() == 0)
    if (const ncclResult_t result = ncclGetUniqueId(&id); result != ncclSuccess) failure = "ncclGetUniqueId on rank 0: " + text_of(result);
  failure = broadcast_text(ranks, std::move(failure), 0);
  if (!failure.empty()) throw PeerLost(failure);
  ranks.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
  return id;
}

}  // namespace

NcclConnection::NcclConnection(Communicator& ranks, const Clock& clock, double seconds) : NcclConnection(clock, seconds) {
  const ncclUniqueId id = identifier_for(ranks);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  wait_for(ncclCommInitRankConfig(&connection_, ranks.size(), id, ranks.rank(), &config), "ncclCommInitRankConfig");
}

NcclConnection::~NcclConnection() {
  if (connection_ && !is_aborted_) run_within(kAbortLimit, "abort the connection between the GPUs", [this] { abort(); });
}

void NcclConnection::fail(ncclResult_t result, const char* what) {
  const std::lock_guard lock(mutex_);
  failure_ = fmt::format("{}: {}", what, text_of(result));
  throw PeerLost(failure_);
}

void NcclConnection::require_not_aborted(const char* what) const {
  if (is_aborted_) throw PeerLost(fmt::format("{}: the connection between the GPUs was aborted", what));
}

void NcclConnection::wait_for(ncclResult_t result, const char* what) {
  const double end = clock_.seconds() + seconds_;
  while (result == ncclInProgress) {
    if (clock_.seconds() > end) {
      const std::lock_guard lock(mutex_);
      failure_ = fmt::format("{}: no answer from the other ranks within {:g} s (cuda.collective_seconds)", what, seconds_);
      throw PeerLost(failure_);
    }
    std::this_thread::sleep_for(kPollInterval);
    const std::lock_guard lock(mutex_);
    require_not_aborted(what);
    if (const ncclResult_t asked = ncclCommGetAsyncError(connection_, &result); asked != ncclSuccess) result = asked;
  }
  if (result != ncclSuccess) fail(result, what);
}

void NcclConnection::all_reduce(void* buffer, std::size_t count, ncclDataType_t type, ncclRedOp_t op, cudaStream_t stream) {
  ncclResult_t result = ncclSuccess;
  {
    const std::lock_guard lock(mutex_);
    require_not_aborted("ncclAllReduce");
    result = ncclAllReduce(buffer, buffer, count, type, op, connection_, stream);
  }
  wait_for(result, "ncclAllReduce");
}

std::string NcclConnection::failure() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || is_aborted_ || !connection_) return {};
  if (!failure_.empty()) return failure_;
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(connection_, &state);
  if (asked != ncclSuccess) state = asked;
  if (state == ncclSuccess || state == ncclInProgress) return {};
  return "NCCL: " + text_of(state);
}

void NcclConnection::abort() {
  ncclComm_t connection = nullptr;
  {
    // Not while another thread is in a call; one that does not come back is no reason to wait for ever.
    const std::unique_lock lock(mutex_, kLockLimit);
    if (!is_aborted_.exchange(true)) connection = connection_;
  }
  // What follows does not touch this object: it may be gone when a call that the destructor has left behind comes back.
  if (!connection) return;
  if (const ncclResult_t result = ncclCommAbort(connection); result != ncclSuccess)
    throw PeerLost(fmt::format("ncclCommAbort: {}", ncclGetErrorString(result)));
}

void NcclConnection::close() {
  ncclResult_t result = ncclSuccess;
  {
    const std::lock_guard lock(mutex_);
    require_not_aborted("ncclCommFinalize");
    result = ncclCommFinalize(connection_);
  }
  wait_for(result, "ncclCommFinalize");
  {
    const std::lock_guard lock(mutex_);
    require_not_aborted("ncclCommDestroy");
    result = ncclCommDestroy(std::exchange(connection_, nullptr));
  }
  if (result != ncclSuccess) fail(result, "ncclCommDestroy");
}

std::string nccl_version() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "unknown";
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace holdfast
