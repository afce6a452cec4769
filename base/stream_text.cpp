#include "base/stream_text.h"

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

}  // namespace holdfast
