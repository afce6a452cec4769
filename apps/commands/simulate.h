// holdfast ckpt simulate: a policy held against a made-up run.
#pragma once

#include <string>

namespace holdfast {

/// `policy`: a configuration, or a file with `checkpoints:` (and `validation:`) alone. Prints a table, or JSON. Throws ConfigError.
int simulate_command(const std::string& policy, const std::string& trace, bool wants_json);

}  // namespace holdfast
