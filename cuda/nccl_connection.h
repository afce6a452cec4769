// A NCCL communicator: connected over another transport, never blocking inside NCCL, and abortable from another thread at any time. One
// thread at a time queues operations; the watchdog's asks for failure() and aborts.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <atomic>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "dist/communicator.h"

namespace holdfast {

class NcclConnection {
 public:
  /// Collective, blocks: `ranks` carries the identifier by which they find each other. The current device is this rank's. Throws PeerLost
  /// where that takes longer than `seconds`, or fails; on every rank where rank 0 cannot make an identifier.
  NcclConnection(Communicator& ranks, const Clock& clock, double seconds);
  /// Aborts what was not closed, in a thread of its own that is left behind where it does not come back.
  ~NcclConnection();
  NcclConnection(const NcclConnection&) = delete;
  NcclConnection& operator=(const NcclConnection&) = delete;

  /// Queues an in-place all-reduce of device memory in `stream`; returns when it is there. Throws PeerLost.
  void all_reduce(void* buffer, std::size_t count, ncclDataType_t type, ncclRedOp_t op, cudaStream_t stream);
  /// What NCCL has noticed since; empty: nothing. Does not block.
  std::string failure();
  /// Ends all operations, on this rank. May block.
  void abort();
  /// Collective, blocks: all operations are over on all ranks. Throws PeerLost.
  void close();

 private:
  /// Not connected. That the other constructor goes by this one has a failed start aborted by the destructor.
  NcclConnection(const Clock& clock, double seconds) : clock_(clock), seconds_(seconds) {}
  /// Under mutex_, before a call. Throws PeerLost: an aborted communicator is not to be touched.
  void require_not_aborted(const char* what) const;
  /// After a call: until NCCL is through with it. Throws PeerLost.
  void wait_for(ncclResult_t result, const char* what);
  [[noreturn]] void fail(ncclResult_t result, const char* what);

  const Clock& clock_;
  double seconds_;
  std::timed_mutex mutex_;  // held during each call of NCCL, none of which blocks
  ncclComm_t connection_ = nullptr;
  std::atomic<bool> is_aborted_{false};
  std::string failure_;  // what made a call of this class fail
};

/// "2.28.9", of the library that is loaded.
std::string nccl_version();

}  // namespace holdfast
