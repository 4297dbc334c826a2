// A user's program: nothing but the public headers and the installed library.
#include <cstdio>
#include <cstring>

#include <baozi/version.hpp>

int main() {
  std::printf("headers %s, library %s\n", baozi::version_text, baozi::library_version());
  return std::strcmp(baozi::version_text, baozi::library_version()) == 0 ? 0 : 1;
}
