#include "base/printable.h"

namespace holdfast {

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]), next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == 0xc2 && next >= 0x80 && next <= 0x9f)
      ++i;
    else if ((byte >= ' ' && byte != 0x7f) || byte == '\n' || byte == '\t')
      shown += text[i];
  }
  return shown;
}

}  // namespace holdfast
