// The numbers of a line of metrics under the path of their keys, for formats that know no nesting.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast {

/// {"loss": 1.5, "lr": {"main": 0.1}, "kind": "train"} with '.' -> loss 1.5, lr.main 0.1; in the order of the keys.
std::vector<std::pair<std::string, nlohmann::json>> numbers_of(const nlohmann::json& line, char separator);

}  // namespace holdfast
