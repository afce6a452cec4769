#include "dist/communicator.h"

namespace holdfast {

std::string broadcast_text(Communicator& ranks, std::string text, int root) {
  std::uint64_t size = text.size();
  ranks.broadcast(std::as_writable_bytes(std::span(&size, 1)), root);
  text.resize(size);
  ranks.broadcast(std::as_writable_bytes(std::span(text.data(), text.size())), root);
  return text;
}

}  // namespace holdfast
