#include "client/cli/children.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baozi::cli {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// The thread that takes the signals needs them, and it outlives every object but the process.
std::mutex mutex;
struct Child {
  pid_t pid = 0;
  std::string name;
  std::string log;
};
std::vector<Child> running;
std::string folder_to_remove;
std::function<void()> tidy_up;

sigset_t taken_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  return set;
}

bool ended(const Child& child) { return ::waitpid(child.pid, nullptr, WNOHANG) == child.pid; }

/// With `mutex` held.
void kill_all_now() {
  for (const Child& child : running) ::kill(child.pid, SIGKILL);
  for (const Child& child : running) ::waitpid(child.pid, nullptr, 0);
  running.clear();
}

void take_signals() {
  const sigset_t set = taken_signals();
  int number = 0;
  while (::sigwait(&set, &number) != 0) {
  }
  const std::lock_guard lock{mutex};  // held until the end: nobody starts another one
  kill_all_now();
  if (tidy_up) tidy_up();
  std::error_code ignored;
  if (!folder_to_remove.empty()) fs::remove_all(folder_to_remove, ignored);
  ::_exit(128 + number);
}

std::string read_all(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

[[noreturn]] void become(const std::vector<std::string>& command, int log, pid_t parent) {
  const sigset_t set = taken_signals();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before we asked
  ::setpgid(0, 0);  // a terminal's Ctrl-C is for the command, which tells us
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  const std::string why = command[0] + ": " + std::strerror(errno) + '\n';
  if (::write(STDERR_FILENO, why.data(), why.size()) < 0) ::_exit(126);
  ::_exit(127);
}

}  // namespace

Children::Children(const std::string& parent) {
  std::string name = parent + "/baozi-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error{"cannot make a folder below " + parent + ": " + std::strerror(errno)};
  }
  folder_ = name;
  {
    const std::lock_guard lock{mutex};
    folder_to_remove = folder_;
  }
  const sigset_t set = taken_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread{take_signals}.detach();
}

Children::~Children() {
  stop();
  remove_folder();
}

void Children::remove_folder() const {
  const std::lock_guard lock{mutex};
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
  folder_to_remove.clear();
  tidy_up = {};
}

std::string Children::beside(const std::string& program) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path beside = self.parent_path() / program;
  return !error && fs::exists(beside, error) ? beside.string() : program;
}

void Children::start(const std::string& name, const std::string& program,
                     std::vector<std::string> arguments) {
  Child child{.name = name, .log = folder_ + '/' + name + ".log"};
  arguments.insert(arguments.begin(), beside(program));
  const int log = ::open(child.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) throw std::runtime_error{"cannot write " + child.log + ": " + std::strerror(errno)};
  {
    const std::lock_guard lock{mutex};
    const pid_t parent = ::getpid();
    child.pid = ::fork();
    if (child.pid == 0) become(arguments, log, parent);
    if (child.pid > 0) running.push_back(child);
  }
  ::close(log);
  if (child.pid < 0)
    throw std::runtime_error{"cannot start " + program + ": " + std::strerror(errno)};
}

std::string Children::start(const std::string& name, const std::string& program,
                            std::vector<std::string> arguments, const std::string& text) {
  start(name, program, std::move(arguments));
  const std::string path = folder_ + '/' + name + ".log";
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < deadline) {
    const std::string said = read_all(path);
    if (const std::size_t at = said.find(text); at != std::string::npos) {
      const std::size_t begin = said.rfind('\n', at) + 1;
      return said.substr(begin, said.find('\n', at) - begin);
    }
    if (const std::string why = ended_early(); !why.empty()) throw std::runtime_error{why};
    std::this_thread::sleep_for(10ms);  // between two looks
  }
  throw std::runtime_error{program + " did not start within 30 s"};
}

std::string Children::ended_early() {
  const std::lock_guard lock{mutex};
  const auto gone = std::find_if(running.begin(), running.end(), ended);
  if (gone == running.end()) return {};
  const std::string said = read_all(gone->log);
  std::string why = gone->name + " ended: " + said.substr(0, said.find('\n'));
  running.erase(gone);
  return why;
}

void Children::on_interrupt(std::function<void()> tidy) {
  const std::lock_guard lock{mutex};
  tidy_up = std::move(tidy);
}

void Children::stop() {
  const std::lock_guard lock{mutex};
  for (auto child = running.rbegin(); child != running.rend(); ++child) {
    ::kill(child->pid, SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!ended(*child)) {
      if (std::chrono::steady_clock::now() > deadline) {
        ::kill(child->pid, SIGKILL);
        ::waitpid(child->pid, nullptr, 0);
        break;
      }
      std::this_thread::sleep_for(5ms);
    }
  }
  running.clear();
}

}  // namespace baozi::cli
