// The one global of the program: a signal handler can reach nothing else. SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 ask the run to stop at
// the next step boundary; what follows is decided by the vote, never in the handler.
#pragma once

namespace holdfast {

/// Installs the handlers. A second SIGINT ends the process at once.
void install_stop_handlers();
bool is_stop_requested();

}  // namespace holdfast
