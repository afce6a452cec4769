// saver RUN_DIR SOCKET RANK RANKS ATTEMPT STEP...: one rank of a training that only checkpoints, with the real engine on the real file
// system, and neither LibTorch nor MPI. It restores the newest checkpoint, checks the state bit by bit, and saves each STEP; one that
// fails is followed by the next. Rank 0 prints a JSON line for each: {"restored": S}, {"saved": S}, {"failed": S, "why": ...}.
#include <fmt/format.h>

#include <iostream>

#include "base/log.h"
#include "checkpoint/engine/checkpointer.h"
#include "socket_ranks.h"
#include "tests/unit/engine/live_state.h"

namespace holdfast {
namespace {

int run(int argc, char** argv) {
  if (argc < 6) throw UsageError("saver RUN_DIR SOCKET RANK RANKS ATTEMPT STEP...");
  const int rank = std::stoi(argv[3]), size = std::stoi(argv[4]), attempt = std::stoi(argv[5]);
  set_up_log(fmt::format("rank {}", rank));
  const auto tell = [rank](const nlohmann::json& line) {
    if (rank == 0) std::cout << line.dump() << std::endl;
  };
  SocketRanks sockets(argv[2], rank, size);
  ExchangeCommunicator ranks(sockets, rank);
  const auto files = make_posix_file_system();
  const SystemClock clock;
  SectionTracker sections(nullptr);
  LiveState state(rank, size);
  Checkpointer checkpointer({ranks, *files, clock, sections}, RunLayout{argv[1]}, {{.name = "regular", .every_steps = 1, .limit = 2}},
                            attempt);
  const auto restored = checkpointer.restore("auto", state.entries());
  const std::int64_t found = restored ? restored->manifest.global_step : -1;
  if (restored && !state.is_that_of(found)) throw Error("the state is not that of the step", kExitSoftware);
  tell({{"restored", found}});
  for (int i = 6; i < argc; ++i) {
    const std::int64_t step = std::stoll(argv[i]);
    state.compute(step);
    try {
      checkpointer.save(state.snapshot(step), after_step(step));
      tell({{"saved", step}});
    } catch (const StorageError& error) {
      tell({{"failed", step}, {"why", error.what()}});
    }
  }
  ranks.barrier();
  return kExitOk;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  try {
    return holdfast::run(argc, argv);
  } catch (const holdfast::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
}
