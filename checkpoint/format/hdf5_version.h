// Which HDF5 library this process has loaded.
#pragma once

#include <string>

namespace holdfast {

/// "1.10.8"
std::string hdf5_version();

}  // namespace holdfast
