// Reading a stream to its end.
#pragma once

#include <istream>
#include <string>

namespace holdfast {

/// What is left of it. Where reading fails (the file is of a process that has ended, or of a server that does not answer): a part of that,
/// and stream.bad() is true; nothing is thrown, where a std::istreambuf_iterator, and nlohmann::json::parse of a stream, would throw.
std::string rest_of(std::istream& stream);

}  // namespace holdfast
