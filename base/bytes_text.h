// Numbers of bytes for people.
#pragma once

#include <string>

namespace holdfast {

/// "512 bytes", "13.7 MiB"
std::string bytes_text(double bytes);

}  // namespace holdfast
