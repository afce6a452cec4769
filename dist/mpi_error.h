// What MPI says of a result that is no success.
#pragma once

#include <mpi.h>

#include <string>

namespace holdfast {

inline std::string mpi_error_text(int result) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(result, text, &length);
  return {text, static_cast<std::size_t>(length)};
}

}  // namespace holdfast
