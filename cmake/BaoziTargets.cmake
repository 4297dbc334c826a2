# The kinds of targets this project is made of: rooms, programs, examples, benchmarks.
# (Tests: tests/CMakeLists.txt. They are built from rooms as well.)

# baozi_room(NAME SOURCES file… [USES room…] [PACKAGES target…])
# A folder of src/ as an OBJECT library `baozi_NAME`; sources are named from src/ ("wire/decode.cpp"). Rooms are OBJECT libraries because CMake refuses a
# dependency circle between those. All of them end in the one installed library, libbaozi.so.
function(baozi_room room)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;USES;PACKAGES")
  list(TRANSFORM ARG_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/src/)
  add_library(baozi_${room} OBJECT ${ARG_SOURCES})
  set_target_properties(baozi_${room} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    EXCLUDE_FROM_ALL ${BAOZI_FUZZ})  # fuzz targets build the few rooms that they need
  target_include_directories(baozi_${room} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                                  ${PROJECT_SOURCE_DIR}/src)
  set(rooms ${ARG_USES})
  list(TRANSFORM rooms PREPEND baozi_)
  target_link_libraries(baozi_${room} PUBLIC ${rooms} ${ARG_PACKAGES} PRIVATE baozi_warnings)
  set_target_properties(baozi_${room} PROPERTIES BAOZI_USES "${ARG_USES}")
  target_sources(baozi PRIVATE $<TARGET_OBJECTS:baozi_${room}>)
  target_link_libraries(baozi PRIVATE ${ARG_PACKAGES})
endfunction()

# Sets `out` to the given rooms and every room below them.
function(baozi_rooms_below out)
  set(found)
  set(todo ${ARGN})
  while(todo)
    list(POP_FRONT todo room)
    if(NOT room IN_LIST found)
      list(APPEND found ${room})
      get_target_property(uses baozi_${room} BAOZI_USES)
      if(uses)
        list(APPEND todo ${uses})
      endif()
    endif()
  endwhile()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# Links an executable with the objects of these rooms and of every room below: what it needs and nothing
# else, so that one room's test builds while another room is in pieces. With no rooms: with libbaozi.so.
function(baozi_link target)
  target_link_libraries(${target} PRIVATE baozi_warnings baozi_linker)
  if(ARGN)
    baozi_rooms_below(rooms ${ARGN})
    list(TRANSFORM rooms PREPEND baozi_)
    target_link_libraries(${target} PRIVATE ${rooms})
  else()
    target_link_libraries(${target} PRIVATE baozi::baozi)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  endif()
endfunction()

# baozi_program(NAME SOURCES file… [PACKAGES target…]): an installed program on top of libbaozi.so.
function(baozi_program name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;PACKAGES")
  add_executable(${name} ${ARG_SOURCES})
  baozi_link(${name})
  target_link_libraries(${name} PRIVATE ${ARG_PACKAGES})
  file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin
    INSTALL_RPATH "$ORIGIN/${to_lib}")
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# baozi_example(NAME SOURCES file… [PLUGIN]): a program, or with PLUGIN a task library for baozi-worker -A.
# Examples see what users see: the public headers and libbaozi.so.
function(baozi_example name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "PLUGIN" "" "SOURCES;PACKAGES")
  if(ARG_PLUGIN)
    add_library(${name} MODULE ${ARG_SOURCES})
  else()
    add_executable(${name} ${ARG_SOURCES})
  endif()
  target_link_libraries(${name} PRIVATE baozi::baozi baozi_warnings baozi_linker ${ARG_PACKAGES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
endfunction()

# baozi_bench(NAME SOURCES file… [USES room…] [PACKAGES target…]): a program in build/…/bench.
function(baozi_bench name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;USES;PACKAGES")
  add_executable(${name} ${ARG_SOURCES})
  baozi_link(${name} ${ARG_USES})
  target_link_libraries(${name} PRIVATE ${ARG_PACKAGES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endfunction()
