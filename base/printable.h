// Text of unknown origin on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

/// `text` without what would steer a terminal: control characters but for new lines and tabs, also those above 0x7f as UTF-8 writes them.
std::string printable(std::string_view text);

}  // namespace holdfast
