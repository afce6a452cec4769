# holdfast_library(NAME SOURCES ... USES ...): one folder, one shared library. USES is the whole list of what the folder
# may include; tests/unit/base/include_rules_test.py holds the sources against the same rules.
function(holdfast_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
  add_library(${name} SHARED ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC holdfast_compiler ${arg_USES} PRIVATE ${arg_PRIVATE_USES})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN;${HOLDFAST_TORCH_ROOT}/lib")
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/holdfast)
endfunction()

# The one precompiled LibTorch header, shared by every target that compiles against LibTorch.
function(holdfast_use_torch name)
  target_link_libraries(${name} PUBLIC torch::torch_cpu)
  if(NOT TARGET holdfast_torch_pch)
    file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cpp "")
    add_library(holdfast_torch_pch OBJECT ${CMAKE_BINARY_DIR}/torch_pch.cpp)
    target_link_libraries(holdfast_torch_pch PRIVATE holdfast_compiler torch::torch_cpu)
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
