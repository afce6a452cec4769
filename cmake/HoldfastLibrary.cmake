# holdfast_library(NAME SOURCES ... USES ...): one folder, one shared library. USES is the whole list of what the folder
# may include; tests/rules/ holds the sources against the same rules.
function(holdfast_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
  add_library(${name} SHARED ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC holdfast_headers ${arg_USES} PRIVATE ${arg_PRIVATE_USES})
  string(REPLACE holdfast_ "" export_name ${name})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN;${HOLDFAST_TORCH_ROOT}/lib" EXPORT_NAME ${export_name})
  install(TARGETS ${name} EXPORT Holdfast LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/holdfast)
endfunction()

# The one precompiled LibTorch header, shared by every target that compiles against LibTorch. It takes seconds to load:
# WITHOUT names the sources that do not include LibTorch.
function(holdfast_use_torch name)
  cmake_parse_arguments(arg "" "" "WITHOUT" ${ARGN})
  set_source_files_properties(${arg_WITHOUT} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  target_link_libraries(${name} PUBLIC torch::torch_cpu)
  if(NOT TARGET holdfast_torch_pch)
    if(NOT EXISTS ${CMAKE_BINARY_DIR}/torch_pch.cpp)
      file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cpp "")
    endif()
    add_library(holdfast_torch_pch OBJECT ${CMAKE_BINARY_DIR}/torch_pch.cpp)
    target_link_libraries(holdfast_torch_pch PRIVATE holdfast_headers torch::torch_cpu)
    target_precompile_headers(holdfast_torch_pch PRIVATE <torch/torch.h>)
  endif()
  target_precompile_headers(${name} REUSE_FROM holdfast_torch_pch)
  # Programs would be compiled as -fPIE, libraries as -fPIC; one precompiled header serves both only if they agree.
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
endfunction()
