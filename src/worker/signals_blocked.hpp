/// \file signals_blocked.hpp
/// Threads that run tasks take no signals.
#pragma once
#include <pthread.h>
#include <signal.h>

namespace baozi::worker {

/// While it lives, threads that are started inherit a mask without signals: those are the main
/// thread's business. What a fault raises must stay deliverable where it happens.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
      sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace baozi::worker
