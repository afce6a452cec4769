#include "apps/train/stand_by.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/environment.h"
#include "base/error.h"
#include "base/log.h"

namespace holdfast {

void stand_by(Heartbeat& heartbeat, SectionTracker& sections) {
  const int fd = environment::get_number(environment::kStandbyFd, -1);
  if (fd < 0) return;
  log_info("stands by for the end of the attempt before");
  heartbeat.block().is_standing_by = 1;
  std::int64_t reached_step = 0;
  ssize_t n = 0;
  do n = ::read(fd, &reached_step, sizeof reached_step);
  while (n < 0 && errno == EINTR);
  ::close(fd);
  if (n != static_cast<ssize_t>(sizeof reached_step)) throw Error("stand by: the rank's shim is gone", kExitUnavailable);
  sections.begin_anew();
  sections.recompute_until(reached_step);
  heartbeat.block().is_standing_by = 0;
}

}  // namespace holdfast
