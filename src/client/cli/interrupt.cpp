#include "client/cli/interrupt.hpp"

#include <csignal>

namespace baozi::cli {

namespace {
volatile std::sig_atomic_t interrupted = 0;
extern "C" void note_interrupt(int) { interrupted = 1; }
}  // namespace

void end_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);
}

bool is_interrupted() { return interrupted != 0; }

}  // namespace baozi::cli
