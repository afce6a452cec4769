#include "base/allocator.h"

#include <malloc.h>

namespace holdfast {

void keep_freed_memory() {
  // Each returns 0 where the C library knows no such thing: steps are slower then, and nothing else is different.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

}  // namespace holdfast
