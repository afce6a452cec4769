// What tests of errors share: the message of the ConfigError that something throws.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"

namespace holdfast {

inline std::string config_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "(no ConfigError)";
}

}  // namespace holdfast
