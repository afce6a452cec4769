// How a rank ended: what the shim saw, what the rank's heartbeat said last. Pure data, JSON on the wire and on disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast {

/// Last words of a rank that its shim has killed because nothing was heard from the supervisor.
inline constexpr const char* kLeaseBroke = "the lease on the supervisor broke";

/// Likewise, because mpirun, or its daemon on that host, is gone.
inline constexpr const char* kLauncherDied = "the launcher died";

struct ExitRecord {
  int rank = -1;
  std::string host;
  int pid = 0;
  int exit_code = 0;      // meaningless when a signal ended it
  int signal = 0;         // 0: it exited
  std::string section;    // where it was
  std::int64_t step = 0;  // the update that it worked on
  std::int64_t global_step = 0;
  std::int64_t saving_step = -1;  // the state that was being saved behind it; -1: none
  std::uint64_t collectives = 0;
  bool is_inside_collective = false;
  std::string error;  // its last words
  std::vector<std::string> last_lines;
  bool was_killed_by_us = false;  // told to by the supervisor, or by its shim after the lease: never a cause
  bool is_futile = false;         // the rank says that starting again cannot help
  bool stops_run = false;         // it stopped on account of what concerns the whole run: no restart
  bool is_shim_lost = false;      // made by the supervisor: the shim is gone without a record
  bool is_hung = false;           // the supervisor had it killed because it showed no sign of life
  bool is_out_of_memory = false;  // the kernel killed it for want of memory
  std::string evidence;           // what is known of a death that the rank itself could not explain

  bool is_clean() const { return signal == 0 && exit_code == 0 && !is_shim_lost && !is_hung; }
};

nlohmann::json to_json(const ExitRecord& record);
ExitRecord exit_record_from_json(const nlohmann::json& json);

/// Of an error, which may go on with its next step.
std::string first_line(const std::string& text);

/// "rank 1 on host a: killed by signal 9 (Killed) in section backward of step 137"
std::string describe(const ExitRecord& record);

}  // namespace holdfast
