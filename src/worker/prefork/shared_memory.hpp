/// \file shared_memory.hpp
/// Memory that the worker and one of its children share. A fresh one is all zeros, which is how
/// each type that lies in it begins. Threading: as the type says.
#pragma once
#include <cstddef>
#include <utility>

namespace baozi::worker::prefork {

/// A file without a name, of so many zeros: its descriptor. Throws std::system_error.
[[nodiscard]] int make_memory_file(std::size_t bytes);
/// Maps the file from its beginning. Throws std::system_error.
[[nodiscard]] void* map_memory(int fd, std::size_t bytes);
void unmap_memory(void* at, std::size_t bytes) noexcept;

/// A mapping of a T; unmapped with its owner.
template <class T>
class SharedMemory {
 public:
  SharedMemory() = default;
  explicit SharedMemory(int fd) : at_{static_cast<T*>(map_memory(fd, sizeof(T)))} {}
  ~SharedMemory() {
    if (at_ != nullptr) unmap_memory(at_, sizeof(T));
  }
  SharedMemory(SharedMemory&& other) noexcept : at_{std::exchange(other.at_, nullptr)} {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }

  [[nodiscard]] T* get() const { return at_; }
  T* operator->() const { return at_; }
  T& operator*() const { return *at_; }

 private:
  T* at_ = nullptr;
};

}  // namespace baozi::worker::prefork
