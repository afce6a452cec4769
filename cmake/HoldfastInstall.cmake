# What `cmake --install` brings besides programs and libraries, and find_package(Holdfast) for plugins: from an installation
# (CMAKE_PREFIX_PATH=PREFIX) or from the build folder (Holdfast_DIR=build/release). A plugin links to holdfast::trainer.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Holdfast)

set_target_properties(holdfast_headers PROPERTIES EXPORT_NAME headers)
install(TARGETS holdfast_headers EXPORT Holdfast)
install(EXPORT Holdfast NAMESPACE holdfast:: FILE HoldfastTargets.cmake DESTINATION ${package_folder})
export(EXPORT Holdfast NAMESPACE holdfast:: FILE ${CMAKE_BINARY_DIR}/HoldfastTargets.cmake)

configure_file(${CMAKE_SOURCE_DIR}/cmake/HoldfastConfig.cmake.in HoldfastConfig.cmake @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/cmake/HoldfastDependencies.cmake HoldfastDependencies.cmake COPYONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/HoldfastConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/HoldfastConfig.cmake ${CMAKE_BINARY_DIR}/HoldfastConfigVersion.cmake
  ${CMAKE_BINARY_DIR}/HoldfastDependencies.cmake DESTINATION ${package_folder})

install(DIRECTORY base options dist checkpoint trainer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/holdfast FILES_MATCHING PATTERN "*.h")
install(DIRECTORY configs slurm DESTINATION ${CMAKE_INSTALL_DATADIR}/holdfast)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
