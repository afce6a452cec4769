# holdfast_library(NAME SOURCES ... USES ...): one folder, one shared library. USES is the whole list of what the folder
# may include; tests/rules/ holds the sources against the same rules.
function(holdfast_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
  add_library(${name} SHARED ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC holdfast_headers ${arg_USES} PRIVATE ${arg_PRIVATE_USES})
  holdfast_precompile(${name})
  string(REPLACE holdfast_ "" export_name ${name})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN;${HOLDFAST_TORCH_ROOT}/lib" EXPORT_NAME ${export_name})
  install(TARGETS ${name} EXPORT Holdfast LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/holdfast)
endfunction()

# Precompiled headers, each shared by all targets that compile with it.
#   holdfast_headers_pch   what most sources include
#   holdfast_tensors_pch   with LibTorch's tensors, autograd and modules
#   holdfast_models_pch    with all of LibTorch, for tests and examples. Each source that takes it costs 2 s more
function(holdfast_precompiled_header name)
  cmake_parse_arguments(arg "" "" "HEADERS;USES" ${ARGN})
  if(NOT TARGET ${name})
    if(NOT EXISTS ${CMAKE_BINARY_DIR}/${name}.cpp)
      file(WRITE ${CMAKE_BINARY_DIR}/${name}.cpp "")
    endif()
    add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cpp)
    target_link_libraries(${name} PRIVATE holdfast_headers fmt::fmt nlohmann_json::nlohmann_json ${arg_USES})
    target_precompile_headers(${name} PRIVATE ${arg_HEADERS} <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <span> <string>
      <vector> <fmt/format.h> <nlohmann/json.hpp>)
  endif()
endfunction()

# For a target without LibTorch.
function(holdfast_precompile name)
  if(HOLDFAST_FUZZ) # clang takes a precompiled header only where all macros are the same
    return()
  endif()
  holdfast_precompiled_header(holdfast_headers_pch)
  target_precompile_headers(${name} REUSE_FROM holdfast_headers_pch)
  holdfast_compile_as_library(${name})
endfunction()

# MODELS: most sources include <torch/torch.h>. WITHOUT names those that include nothing of LibTorch.
function(holdfast_use_torch name)
  cmake_parse_arguments(arg "MODELS" "" "WITHOUT" ${ARGN})
  set_source_files_properties(${arg_WITHOUT} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  target_link_libraries(${name} PUBLIC torch::torch_cpu)
  if(arg_MODELS)
    holdfast_precompiled_header(holdfast_models_pch HEADERS <torch/torch.h> USES torch::torch_cpu)
    target_precompile_headers(${name} REUSE_FROM holdfast_models_pch)
  else()
    holdfast_precompiled_header(holdfast_tensors_pch HEADERS <torch/types.h> <torch/autograd.h> <torch/nn/module.h> USES torch::torch_cpu)
    target_precompile_headers(${name} REUSE_FROM holdfast_tensors_pch)
  endif()
  holdfast_compile_as_library(${name})
endfunction()

# Programs would be compiled as -fPIE, libraries as -fPIC; one precompiled header serves both only if they agree.
function(holdfast_compile_as_library name)
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
endfunction()
