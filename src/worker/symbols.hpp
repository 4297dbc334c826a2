/// \file symbols.hpp
/// Addresses of code to names and lines, by the debug information and symbol tables of what is
/// loaded; of a library whose file was replaced since, only exported functions are known. Cost: the
/// first look-up reads the debug information of all loaded files, later ones some microseconds,
/// known addresses a look at a table. Threading: any thread.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace baozi::worker {

struct CodePlace {
  std::string function;  ///< demangled; empty when unknown
  std::string file;      ///< source file; empty without debug information
  int line = 0;
  std::string module;  ///< "libtasks.so+0x1a2b", where there is no source file
};

/// Several where functions were inlined, innermost first; never empty.
[[nodiscard]] std::vector<CodePlace> places_of(std::uintptr_t address);

/// Files loaded so far in the life of the process: grows with every dlopen.
[[nodiscard]] unsigned long long loads_so_far();

/// A mangled name (of a function or a type) as C++, with std::string called so; the name itself
/// when it is not mangled.
[[nodiscard]] std::string demangle(const char* name);

}  // namespace baozi::worker
