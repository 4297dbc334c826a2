#include "worker/prefork/shared_memory.hpp"

#include <cerrno>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

namespace baozi::worker::prefork {

namespace {
[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error{error, std::generic_category(), what};
}
}  // namespace

int make_memory_file(std::size_t bytes) {
  const int fd = memfd_create("baozi-child", MFD_CLOEXEC);
  if (fd < 0) fail(errno, "cannot make memory to share with a child");
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    const int error = errno;
    close(fd);
    fail(error, "cannot size memory to share with a child");
  }
  return fd;
}

void* map_memory(int fd, std::size_t bytes) {
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) fail(errno, "cannot map memory to share with a child");
  return at;
}

void unmap_memory(void* at, std::size_t bytes) noexcept { munmap(at, bytes); }

}  // namespace baozi::worker::prefork
