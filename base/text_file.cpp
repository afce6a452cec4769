#include "base/text_file.h"

#include <fstream>

namespace holdfast {

std::string rest_of(std::istream& stream) {
  std::string text;
  char piece[8 << 10];
  do {
    stream.read(piece, sizeof piece);
    text.append(piece, static_cast<std::size_t>(stream.gcount()));
  } while (stream);
  return text;
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return rest_of(file);
}

}  // namespace holdfast
