#include "worker/exec/program.hpp"

#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baozi::worker::exec {

namespace {

constexpr int lowest_fd = 10;  // above those that the program gets

[[noreturn]] void fail(const char* what) {
  throw std::system_error{errno, std::generic_category(), what};
}

/// The same at 10 or above, closed on exec.
Descriptor lifted(Descriptor low, const char* what) {
  if (low.get() < 0) fail(what);
  if (low.get() >= lowest_fd) return low;
  Descriptor high{fcntl(low.get(), F_DUPFD_CLOEXEC, lowest_fd)};
  if (high.get() < 0) fail(what);
  return high;
}

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) fail("a pipe for a program");
  Descriptor read{ends[0]};
  Descriptor write{ends[1]};
  if (fcntl(read.get(), F_SETFL, O_NONBLOCK) != 0) fail("a pipe for a program");
  return {std::move(read), lifted(std::move(write), "a pipe for a program")};
}

Descriptor nothing(int mode) {
  return lifted(Descriptor{open("/dev/null", mode | O_CLOEXEC)}, "/dev/null");
}

/// A file in memory: nobody has to feed it, and the program may seek in it.
Descriptor memory_with(std::string_view bytes) {
  Descriptor file = lifted(Descriptor{memfd_create("baozi-input", MFD_CLOEXEC)}, "a task's input");
  while (!bytes.empty()) {
    const ssize_t wrote = write(file.get(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail("a task's input");
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (lseek(file.get(), 0, SEEK_SET) != 0) fail("a task's input");
  return file;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

bool is_executable(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

}  // namespace

void Descriptor::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::optional<std::string> find_program(const std::string& program, std::string_view path) {
  if (program.find('/') != std::string::npos) return program;
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string_view folder = path.substr(0, colon);
    std::string candidate = folder.empty() ? std::string{"."} : std::string{folder};
    candidate.append("/").append(program);
    if (is_executable(candidate)) return candidate;
    if (colon == std::string_view::npos) return std::nullopt;
    path.remove_prefix(colon + 1);
  }
}

Program::Program(const Plan& plan) {
  const Descriptor in = plan.input.empty() ? nothing(O_RDONLY) : memory_with(plan.input);
  Pipe out;
  if (plan.keeps_output) {
    out = make_pipe();
  } else {
    out.write = nothing(O_WRONLY);
  }
  Pipe err = make_pipe();
  Pipe report = make_pipe();
  const std::vector<char*> argv = pointers(plan.argv);
  const std::vector<char*> envp = pointers(plan.environment);
  const Launch launch{.program = plan.path.c_str(),
                      .argv = argv.data(),
                      .envp = envp.data(),
                      .cwd = plan.cwd.empty() ? nullptr : plan.cwd.c_str(),
                      .in = in.get(),
                      .out = out.write.get(),
                      .err = err.write.get(),
                      .report = report.write.get(),
                      .parent = getpid()};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of ours shall run in the child
  guardian_ = fork();
  if (guardian_ == 0) guard(launch);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (guardian_ < 0) {
    errno = error;
    fail("no process for a program");
  }
  out_ = std::move(out.read);
  err_ = std::move(err.read);
  report_ = std::move(report.read);
}

Program::~Program() {
  if (guardian_ < 0) return;
  kill();
  while (waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<Report> Program::read_end() {
  Report report;
  ssize_t size = 0;
  do {
    size = read(report_.get(), &report, sizeof report);
  } while (size < 0 && errno == EINTR);
  return size == sizeof report ? std::optional{report} : std::nullopt;
}

void Program::ask_to_end() const { ::kill(guardian_, exec::ask_to_end); }
void Program::kill() const { ::kill(guardian_, exec::ask_to_kill); }

}  // namespace baozi::worker::exec
