# How our own targets are compiled and linked. Nothing here is global: targets that want it link it.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

# Warnings are errors only where a preset says CMAKE_COMPILE_WARNING_AS_ERROR.
add_library(baozi_warnings INTERFACE)
target_compile_options(baozi_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wformat=2
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>
  # Designated initialisers of option structs in any subset are meant to compile quietly.
  -Wno-missing-field-initializers)

# A faster linker when there is one: lld. Not mold: that of Debian 12 (1.10.1) makes a file which cannot be
# loaded ("cannot apply additional memory protection") when thread-local variables happen to end with a page.
set(BAOZI_LINKER auto CACHE STRING "auto, none, or the linker to pass to -fuse-ld=")
add_library(baozi_linker INTERFACE)
if(BAOZI_LINKER STREQUAL "auto")
  include(CheckLinkerFlag)
  check_linker_flag(CXX "-fuse-ld=lld" BAOZI_HAS_LLD)
  if(BAOZI_HAS_LLD)
    target_link_options(baozi_linker INTERFACE -fuse-ld=lld)
  endif()
elseif(NOT BAOZI_LINKER STREQUAL "none")
  target_link_options(baozi_linker INTERFACE -fuse-ld=${BAOZI_LINKER})
endif()

if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(BAOZI_CCACHE ccache)
  mark_as_advanced(BAOZI_CCACHE)
  if(BAOZI_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${BAOZI_CCACHE})
  endif()
endif()
