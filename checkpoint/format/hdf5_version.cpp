#include "checkpoint/format/hdf5_version.h"

#include <fmt/format.h>

#include "checkpoint/format/hdf5_handle.h"

namespace holdfast {

std::string hdf5_version() {
  const std::lock_guard lock(hdf5_mutex());
  unsigned major = 0, minor = 0, release = 0;
  check_hdf5(::H5get_libversion(&major, &minor, &release), "ask HDF5 for its version");
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace holdfast
