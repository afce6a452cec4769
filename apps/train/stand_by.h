// A rank that was started ahead (restart.standby) has loaded, built and connected everything, and sleeps here until its attempt begins.
#pragma once

#include "base/heartbeat.h"
#include "base/section.h"

namespace holdfast {

/// Returns at once in a rank of an attempt that has begun. Else blocks, in a read of what the shim holds, until the shim says that the
/// attempt before is over; the rank's time is booked from then on. Throws Error when the shim is gone.
void stand_by(Heartbeat& heartbeat, SectionTracker& sections);

}  // namespace holdfast
