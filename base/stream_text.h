// Reading a stream to its end.
#pragma once

#include <istream>
#include <string>

namespace holdfast {

/// What is left of it. Where reading fails (the file is of a process that has ended, or of a server that does not answer): what came
/// before, and stream.bad() is true. Throws nothing, other than a std::istreambuf_iterator.
std::string rest_of(std::istream& stream);

}  // namespace holdfast
