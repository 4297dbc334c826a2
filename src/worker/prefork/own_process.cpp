#include "worker/prefork/own_process.hpp"

#include <cerrno>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

namespace baozi::worker::prefork {

namespace {
const volatile char* mark = nullptr;
}

void mark_own_process() {
  const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const page =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || madvise(page, size, MADV_WIPEONFORK) != 0) {
    throw std::system_error{errno, std::generic_category(), "cannot mark the process"};
  }
  *static_cast<char*>(page) = 1;
  mprotect(page, size, PROT_READ);
  mark = static_cast<const char*>(page);
}

bool is_own_process() noexcept { return mark != nullptr && *mark != 0; }

}  // namespace baozi::worker::prefork
