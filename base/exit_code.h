// The exit codes of every Holdfast program, after BSD's sysexits.h. docs/exit-codes.md is written for users.
#pragma once

namespace holdfast {

enum ExitCode : int {
  kExitOk = 0,
  kExitDifferent = 1,       // `ckpt diff`: the two differ; a comparison said no
  kExitUsage = 64,          // the command line is wrong
  kExitData = 65,           // input data or a checkpoint is damaged or missing
  kExitUnavailable = 69,    // a peer rank is gone; restarting helps
  kExitSoftware = 70,       // an exception, a bug, or a run that cannot make progress
  kExitStorage = 74,        // reading or writing failed
  kExitTemporary = 75,      // stopped on request after a checkpoint; starting again continues
  kExitRolledBack = 76,     // goes back to the newest checkpoint, to leave out what an update that was not made would have taken
  kExitConfiguration = 78,  // the configuration is wrong; do not retry
};

}  // namespace holdfast
