# Finds libzmq by pkg-config, and cppzmq's header. Target: ZeroMQ::ZeroMQ.

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(PC_ZMQ QUIET libzmq)
endif()
find_path(ZeroMQ_INCLUDE_DIR zmq.h HINTS ${PC_ZMQ_INCLUDE_DIRS})
find_path(CPPZMQ_INCLUDE_DIR zmq.hpp HINTS ${PC_ZMQ_INCLUDE_DIRS})
find_library(ZeroMQ_LIBRARY zmq HINTS ${PC_ZMQ_LIBRARY_DIRS})

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ZeroMQ
  REQUIRED_VARS ZeroMQ_LIBRARY ZeroMQ_INCLUDE_DIR CPPZMQ_INCLUDE_DIR
  VERSION_VAR PC_ZMQ_VERSION)
mark_as_advanced(ZeroMQ_INCLUDE_DIR CPPZMQ_INCLUDE_DIR ZeroMQ_LIBRARY)

if(ZeroMQ_FOUND AND NOT TARGET ZeroMQ::ZeroMQ)
  add_library(ZeroMQ::ZeroMQ SHARED IMPORTED)
  set_target_properties(ZeroMQ::ZeroMQ PROPERTIES
    IMPORTED_LOCATION "${ZeroMQ_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${ZeroMQ_INCLUDE_DIR};${CPPZMQ_INCLUDE_DIR}")
endif()
