#include "counting_new.hpp"

#include <cstdlib>
#include <new>

namespace {
std::size_t total = 0;  // the tests of this program have one thread
}

void* operator new(std::size_t size) {
  total += size;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
void* operator new[](std::size_t size) { return ::operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace baozi::wire_test {
std::size_t allocated_bytes() { return total; }
}  // namespace baozi::wire_test
