// What a fuzz target holds its subject against. A target ends by abort() where the subject does what it must not do.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace holdfast {

inline void must(bool is_so, const std::string& what) {
  if (is_so) return;
  std::fprintf(stderr, "oracle: %s\n", what.c_str());
  std::abort();
}

}  // namespace holdfast
