// Reading a file to its end.
#pragma once

#include <istream>
#include <string>

namespace holdfast {

/// What is left of it. Where reading fails (the file is of a process that has ended, or of a server that does not answer): a part of that,
/// and stream.bad() is true; nothing is thrown, where a std::istreambuf_iterator, and nlohmann::json::parse of a stream, would throw.
std::string rest_of(std::istream& stream);
/// What could be read of a file; empty where there is none. Throws nothing either.
std::string text_of_file(const std::string& path);

}  // namespace holdfast
