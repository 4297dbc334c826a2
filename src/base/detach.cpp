#include "base/detach.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baozi::base {
namespace {

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;  // the parent was killed: nobody is left to tell
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_all(int descriptor) {
  std::string text;
  char part[512];
  for (;;) {
    const ssize_t length = ::read(descriptor, part, sizeof part);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return text;
    text.append(part, static_cast<std::size_t>(length));
  }
}

/// The message is one byte, the exit code as a letter from 'A' on, and the line. None at all means
/// that the background died before it had one.
[[noreturn]] void wait_and_exit(int descriptor, pid_t first_child) {
  const std::string message = read_all(descriptor);
  int status = 0;
  while (::waitpid(first_child, &status, 0) < 0 && errno == EINTR) {
  }
  if (message.empty()) {
    write_all(STDERR_FILENO, "the process ended before it was ready; its log may say why\n");
    ::_exit(EXIT_FAILURE);
  }
  write_all(STDERR_FILENO, std::string_view{message}.substr(1));
  ::_exit(message[0] - 'A');
}

}  // namespace

ReadyPipe::~ReadyPipe() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ReadyPipe::send(std::string_view message) {
  if (descriptor_ < 0) return;
  write_all(descriptor_, message);
  ::close(descriptor_);
  descriptor_ = -1;
}

void ReadyPipe::ready() { send("A"); }

void ReadyPipe::failed(int exit_code, std::string_view line) {
  send(static_cast<char>('A' + exit_code) + std::string{line});
}

ReadyPipe detach() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::system_error{errno, std::generic_category(), "pipe"};
  const pid_t first = ::fork();
  if (first < 0) throw std::system_error{errno, std::generic_category(), "cannot fork"};
  if (first > 0) {
    ::close(ends[1]);
    wait_and_exit(ends[0], first);
  }
  ::close(ends[0]);
  ReadyPipe pipe{ends[1]};
  ::setsid();
  // Fork again: only the leader of a session can be given a terminal, and the second child is none.
  const pid_t second = ::fork();
  if (second > 0) ::_exit(EXIT_SUCCESS);
  if (second < 0) {
    pipe.failed(EXIT_FAILURE, "cannot fork\n");
    ::_exit(EXIT_FAILURE);
  }
  if (const int null = ::open("/dev/null", O_RDWR); null >= 0) {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, stream);
    if (null > STDERR_FILENO) ::close(null);
  }
  return pipe;
}

}  // namespace baozi::base
