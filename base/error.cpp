#include "base/error.h"

namespace holdfast {

std::string to_string(const ErrorText& text) {
  std::string out = text.attempted;
  if (!text.expected.empty()) out += ": expected " + text.expected;
  if (!text.found.empty()) out += (text.expected.empty() ? ": found " : ", found ") + text.found;
  if (!text.cause.empty()) out += ": " + text.cause;
  if (!text.next.empty()) out += "\n  next: " + text.next;
  return out;
}

}  // namespace holdfast
