/// \file descriptor_watch.hpp
/// DescriptorWatch: who waits for which descriptor, on one epoll. Several may wait for the same
/// one. Threading: one thread's, but for `wake`.
#pragma once
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/time.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

/// An eventfd: whoever waits on a DescriptorWatch is woken by it from any thread.
class WakeEvent {
 public:
  WakeEvent();  ///< \throws std::system_error
  ~WakeEvent();
  WakeEvent(const WakeEvent&) = delete;
  WakeEvent& operator=(const WakeEvent&) = delete;

  void set() noexcept;
  void clear() noexcept;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

class DescriptorWatch {
 public:
  /// \param wake  outlives this. \throws std::system_error
  explicit DescriptorWatch(WakeEvent& wake);
  ~DescriptorWatch();
  DescriptorWatch(const DescriptorWatch&) = delete;
  DescriptorWatch& operator=(const DescriptorWatch&) = delete;

  enum class Added : std::uint8_t {
    waits,
    ready,    ///< a file, which can always be read and written: nothing was added
    refused,  ///< `errno` says why; nothing was added
  };
  Added add(int fd, bool write, Token who);
  void remove(int fd, Token who);
  /// Waits until something is ready, or `wake`, or `timeout` (none: as long as it takes).
  /// \param ready  gets who may go on; they wait still, until they are removed.
  void wait(std::optional<Micros> timeout, std::vector<Token>& ready);

 private:
  struct Waiter {
    Token who{};
    bool write = false;
  };
  struct Watched {
    std::vector<Waiter> waiters;
    std::uint32_t events = 0;  ///< as the kernel was told
  };

  /// \return 0 or an errno.
  int tell(int fd, Watched& watched);

  WakeEvent& wake_;
  int epoll_;
  std::unordered_map<int, Watched> watched_;
};

}  // namespace baozi::worker
