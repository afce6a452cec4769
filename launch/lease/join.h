// How a shim gets its lease: it tries the supervisor's addresses in turn until somebody who knows the run answers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/lease/line_connection.h"

namespace holdfast {

struct Joined {
  std::unique_ptr<LineConnection> line;      // null: nobody answered
  std::vector<nlohmann::json> heard_so_far;  // what the supervisor has said after its welcome
};

/// `addresses`: "host:port,host:port". Sends `hello` and waits for {"command": "welcome"}: whoever does not say so, is another program.
/// Blocks for up to `seconds`.
Joined join(const std::string& addresses, const nlohmann::json& hello, double seconds);

}  // namespace holdfast
