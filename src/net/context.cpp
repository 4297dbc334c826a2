#include "net/context.hpp"

#include <mutex>
#include <string>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <zmq.h>

#include "net/error.hpp"

namespace baozi::net {
namespace {

// Three for each connection that we make (itself, and both ends of its monitor); libzmq's own limit
// of 1,023 is met by a load generator with 340. A place costs 12 bytes.
constexpr int sockets_max = 16'384;

std::mutex shared_mutex;

// A child must not find the mutex locked by a thread that it does not have.
void hold_across_fork() {
  static const int registered = pthread_atfork(
      [] { shared_mutex.lock(); }, [] { shared_mutex.unlock(); }, [] { shared_mutex.unlock(); });
  static_cast<void>(
      registered);  // fails only without memory, and then nothing is worse than before
}

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

class Context::Impl {
 public:
  Impl() : handle_{zmq_ctx_new()}, process_{getpid()} {
    if (handle_ == nullptr) fail("no memory");
    zmq_ctx_set(handle_, ZMQ_IO_THREADS, 1);
    zmq_ctx_set(handle_, ZMQ_MAX_SOCKETS, sockets_max);
    zmq_ctx_set(handle_, ZMQ_BLOCKY, 0);  // a forgotten linger must not hang the exit
    // Threads start with the first socket and inherit the signal mask of whoever makes it.
    const SignalsBlocked blocked;
    void* first = zmq_socket(handle_, ZMQ_PAIR);
    if (first == nullptr) {
      const std::string why = zmq_strerror(zmq_errno());
      zmq_ctx_term(handle_);
      fail(why);
    }
    zmq_close(first);
  }
  ~Impl() {
    if (!is_ours()) return;
    while (zmq_ctx_term(handle_) == -1 && zmq_errno() == EINTR) {
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] void* handle() const { return handle_; }
  [[nodiscard]] bool is_ours() const { return getpid() == process_; }

 private:
  [[noreturn]] static void fail(const std::string& why) {
    throw NetError{"cannot start the network: " + why};
  }

  void* handle_;
  pid_t process_;
};

Context Context::shared() {
  static std::weak_ptr<Impl> current;  // guarded by the mutex
  hold_across_fork();
  const std::lock_guard lock{shared_mutex};
  auto impl = current.lock();
  if (!impl || !impl->is_ours()) {
    impl = std::make_shared<Impl>();
    current = impl;
  }
  return Context{std::move(impl)};
}

void* Context::handle() const { return impl_->handle(); }
bool Context::is_ours() const { return impl_->is_ours(); }

}  // namespace baozi::net
