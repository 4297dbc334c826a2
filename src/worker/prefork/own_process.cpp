#include "worker/prefork/own_process.hpp"

#include <cerrno>
#include <cstdio>
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
bool is_copy() noexcept { return mark != nullptr && *mark == 0; }

void end_copy(std::string_view task) {
  dprintf(STDERR_FILENO,
          "a copy of this process, made by fork() in task %.*s, came back from the task and ends "
          "here: it should call _exit() itself\n",
          static_cast<int>(task.size()), task.data());
  _exit(0);
}

}  // namespace baozi::worker::prefork
