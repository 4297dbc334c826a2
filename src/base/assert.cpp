#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace baozi::base {

void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "baozi: assertion failed: %s at %s:%d\n", what, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace baozi::base
