// holdfast-train --probe: what only this program can tell `holdfast doctor`: what it is made of, and whether its ranks can talk.
#pragma once

#include <string>

namespace holdfast {

/// `what`: "versions" (no MPI; JSON on the last line), or "pairs:SECONDS" (collective; one line, "probe …", for each thing that is known,
/// printed at once by the rank that knows it, since another one may hang later). Returns the exit code. Throws UsageError, PeerLost.
int run_probe(const std::string& what);

}  // namespace holdfast
