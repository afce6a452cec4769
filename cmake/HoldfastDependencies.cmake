# Third-party libraries as imported targets. LibTorch's targets are written by hand: its own CMake package pulls in
# libtorch_cuda and NVRTC, so that a program linked with it does not start on a CPU-only installation.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(ZLIB REQUIRED)
find_path(protozero_include protozero/pbf_writer.hpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(libdw REQUIRED IMPORTED_TARGET libdw)
find_package(simdjson REQUIRED)
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(MPI REQUIRED COMPONENTS C)

add_library(holdfast_hdf5 INTERFACE IMPORTED)
target_include_directories(holdfast_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(holdfast_hdf5 INTERFACE ${HDF5_C_LIBRARIES})

# --- LibTorch ---
# scripts/setup.sh downloads to the same place.
set(HOLDFAST_CACHE "$ENV{XDG_CACHE_HOME}")
if(NOT HOLDFAST_CACHE)
  set(HOLDFAST_CACHE "$ENV{HOME}/.cache")
endif()
foreach(root IN ITEMS "${HOLDFAST_TORCH}" "$ENV{HOLDFAST_TORCH}" "${HOLDFAST_CACHE}/holdfast/torch-2.11.0-cpu")
  foreach(suffix IN ITEMS "" "/torch")
    if(NOT HOLDFAST_TORCH_ROOT AND root AND EXISTS "${root}${suffix}/lib/libtorch_cpu.so")
      set(HOLDFAST_TORCH_ROOT "${root}${suffix}")
    endif()
  endforeach()
endforeach()
if(NOT HOLDFAST_TORCH_ROOT)
  message(FATAL_ERROR "Looked for LibTorch 2.11 (lib/libtorch_cpu.so) in HOLDFAST_TORCH='${HOLDFAST_TORCH}', in the "
    "environment's HOLDFAST_TORCH='$ENV{HOLDFAST_TORCH}' and in ${HOLDFAST_CACHE}/holdfast/torch-2.11.0-cpu: not found.\n"
    "Run scripts/setup.sh, which downloads it, or give the root of an installed one: -DHOLDFAST_TORCH=/path/to/torch")
endif()
message(STATUS "LibTorch: ${HOLDFAST_TORCH_ROOT}")
file(READ ${HOLDFAST_TORCH_ROOT}/include/torch/headeronly/version.h version_header)
string(REGEX REPLACE ".*TORCH_VERSION_MAJOR ([0-9]+).*TORCH_VERSION_MINOR ([0-9]+).*TORCH_VERSION_PATCH ([0-9]+).*" "\\1.\\2.\\3"
  HOLDFAST_TORCH_VERSION "${version_header}")
# Its include folder brings an fmt of its own, newer than Debian's and without a library to link with: Debian's comes before it.
get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt_of_the_system)
file(CREATE_LINK ${fmt_include}/fmt ${CMAKE_BINARY_DIR}/fmt_of_the_system/fmt SYMBOLIC)
foreach(name IN ITEMS c10 torch_cpu)
  add_library(torch::${name} SHARED IMPORTED)
  set_target_properties(torch::${name} PROPERTIES IMPORTED_LOCATION ${HOLDFAST_TORCH_ROOT}/lib/lib${name}.so)
  target_include_directories(torch::${name} SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/fmt_of_the_system
    ${HOLDFAST_TORCH_ROOT}/include ${HOLDFAST_TORCH_ROOT}/include/torch/csrc/api/include)
endforeach()
target_link_libraries(torch::torch_cpu INTERFACE torch::c10 fmt::fmt)

if(HOLDFAST_TESTS)
  find_package(GTest REQUIRED)
endif()
