// What is known of the hosts: gathered there (gather.h), sent as JSON, judged here (judge.h). Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast {

/// In place of a limit that is not there.
inline constexpr std::int64_t kUnlimited = -1;

/// Of the machine and of a process on it.
struct MachineFacts {
  std::string host, kernel;
  int cores = 1;  // that a process may use
  std::int64_t memory_bytes = 0, free_memory_bytes = 0;
  std::int64_t shared_memory_bytes = 0;                                          // free in /dev/shm; 0: it cannot be written
  std::int64_t open_files = 0, locked_bytes = 0, file_bytes = 0, processes = 0;  // limits; kUnlimited
  std::string huge_pages;                                                        // of transparent ones: always, madvise, never; empty: none
  bool has_fast_network = false;                                                 // InfiniBand or the like, which locks memory
  std::string port_error;                                                        // why no port could be had and reached; empty: it could
  std::string gpu_driver;                                                        // version; empty: none
  bool is_root = false;                                                          // for whom the number of processes has no limit
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(MachineFacts, host, kernel, cores, memory_bytes, free_memory_bytes, shared_memory_bytes, open_files,
                                 locked_bytes, file_bytes, processes, huge_pages, has_fast_network, port_error, gpu_driver, is_root)
};

/// Of what is installed there. What a program did not say is empty.
struct VersionFacts {
  std::string holdfast, trainer, libtorch, mpi, hdf5, instruction_set, build;
  std::string error;  // why the trainer did not say its part
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(VersionFacts, holdfast, trainer, libtorch, mpi, hdf5, instruction_set, build, error)
};

/// Of the file system that the run directory lies on, as seen from there.
struct DiskFacts {
  std::string kind;             // "ext4", "nfs", …
  std::int64_t free_bytes = 0;  // that this user may write
  std::int64_t free_files = 0;  // kUnlimited where the file system does not count them
  bool takes_direct_io = false;
  std::int64_t written_bytes = 0;  // to measure
  double write_seconds = 0;        // with the fsync
  double sync_seconds = 0;         // of a small file, the median of several
  std::string error;               // what could not be done at all
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(DiskFacts, kind, free_bytes, free_files, takes_direct_io, written_bytes, write_seconds, sync_seconds,
                                 error)
};

/// What a host saw of what another one did in the run directory.
struct SharingFacts {
  std::string problem;    // the first thing that was not as it should be; empty: all of it was
  double seconds = 0;     // the longest that it took to be seen
  bool has_lock = false;  // it got the lock that the first host held
  bool follows_links = true;
};

struct ClockFacts {
  double offset_seconds = 0;  // of its clock against this one's
  double uncertainty_seconds = 0;
};

/// Of one host; a part that it did not answer within its time is not there.
struct HostFacts {
  std::string name;          // as it was asked for; else what it calls itself
  std::string launch_error;  // it could not be reached at all: the launcher's words
  double launch_seconds = 0;
  std::optional<MachineFacts> machine;
  std::optional<VersionFacts> versions;
  std::optional<DiskFacts> disk;
  std::optional<SharingFacts> sharing;
  std::optional<ClockFacts> clock;
};

/// Two ranks that have talked.
struct PairFacts {
  int a = 0, b = 0;
  double latency_seconds = 0;  // one way
  double bytes_per_second = 0;
};

struct PairsFacts {
  std::vector<std::string> hosts;  // by rank
  std::vector<PairFacts> pairs;
  std::string error;                 // what kept the ranks from talking
  bool has_started = true;           // or they could not even be started
  std::vector<std::string> waiting;  // where they were then: "rank 1 on b waits for rank 0 on a"
  std::size_t expected = 0;          // number of pairs
};

/// What the job will ask of the hosts.
struct JobFacts {
  int ranks = 1;
  std::vector<int> ranks_of_host;                // in the order of the hosts
  std::optional<std::int64_t> threads;           // of a rank; none: the host's cores, shared out
  std::int64_t most_bytes = 0;                   // of all states at one time; 0: not known
  std::int64_t state_bytes = 0, rank_bytes = 0;  // of one state: what all ranks share, what each has for itself
  std::int64_t gradient_bytes = 0;               // that cross the network in an update
  bool is_on_cpu = false;                        // run.device: cpu
};

}  // namespace holdfast
