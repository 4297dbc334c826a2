# `cmake --install`: the library, its headers, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/baozi)
install(TARGETS baozi EXPORT baozi-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/baozi DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")
install(EXPORT baozi-targets NAMESPACE baozi:: DESTINATION ${package_dir})

configure_package_config_file(cmake/baozi-config.cmake.in baozi-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(baozi-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/baozi-config.cmake ${PROJECT_BINARY_DIR}/baozi-config-version.cmake
        DESTINATION ${package_dir})

# The prefix is written relative to the file, so that an installed tree can be moved.
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/baozi.pc.in baozi.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/baozi.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
