// The doctor's ear on a host: a process that the launcher starts there, which answers the doctor's questions over a connection. Each
// question is answered by a thread of its own, so that one that a file system swallows keeps no other from being answered.
#pragma once

namespace holdfast {

/// Answers until the connection ends; then this process ends, whatever its threads are stuck in. The doctor's address, its token and the
/// number of this host are in the environment. Returns an exit code only when the doctor cannot be reached.
int answer_doctor();

}  // namespace holdfast
