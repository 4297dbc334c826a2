/// \file context.hpp
/// The one ZeroMQ context of this process: one I/O thread, shared by everything that has a socket.
///
/// There is never a second one: libzmq 4.3.4 tears down its random source when any context ends,
/// under the feet of the others. It is made when the first `shared()` is called and ended when the
/// last copy goes; a socket holds a copy, so it ends after the last socket.
///
/// Threading: `shared()` and copies may be used from any thread. The I/O thread has all signals
/// blocked. Fork: the child has no I/O thread. What it inherited is abandoned, never closed;
/// `shared()` makes a new context there.
#pragma once
#include <memory>

namespace baozi::net {

class Context {
 public:
  /// \throws NetError  when the system is out of threads, memory or file descriptors.
  [[nodiscard]] static Context shared();

  /// The `void*` that libzmq wants. Only for this room.
  [[nodiscard]] void* handle() const;
  /// False in a child that was forked after the context was made.
  [[nodiscard]] bool is_ours() const;

 private:
  class Impl;
  explicit Context(std::shared_ptr<Impl> impl) : impl_{std::move(impl)} {}
  std::shared_ptr<Impl> impl_;  // shared: it has no single owner, and must outlive every socket
};

}  // namespace baozi::net
