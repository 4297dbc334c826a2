/// \file process.hpp
/// A program started by a test: its arguments, environment and folder in; its exit code and what it
/// wrote out. It does not outlive the object.
#pragma once
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/eventually.hpp"
#include "support/temp_dir.hpp"

namespace baozi::test {

struct ProcessOptions {
  std::string folder = {};  ///< empty: the test's own
  std::vector<std::string> environment =
      {};  ///< "NAME=value", in addition to the test's own; the later wins
};

/// Does a process execute? One that is dead and waits to be reaped does not; who reaps an orphan,
/// and when, is the system's business.
[[nodiscard]] inline bool executes(pid_t pid) {
  const std::string stat = TempDir::read("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] != 'Z' &&
         stat[name_end + 2] != 'X';
}

class Process {
 public:
  /// \param command  the program's path and its arguments
  explicit Process(const std::vector<std::string>& command, const ProcessOptions& options = {}) {
    std::vector<char*> arguments;
    for (const std::string& argument : command)
      arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);

    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      if (!is_replaced(*entry, options.environment)) environment.push_back(*entry);
    }
    for (const std::string& entry : options.environment) {
      environment.push_back(const_cast<char*>(entry.c_str()));
    }
    environment.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    constexpr int appending = O_WRONLY | O_CREAT | O_APPEND;
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, (dir_ / "out").c_str(), appending,
                                     0600);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, (dir_ / "err").c_str(), appending,
                                     0600);
    if (!options.folder.empty())
      posix_spawn_file_actions_addchdir_np(&files, options.folder.c_str());

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

    const int error = posix_spawn(&pid_, command.front().c_str(), &files, &attributes,
                                  arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
      throw std::system_error{error, std::generic_category(), "cannot start " + command.front()};
  }
  ~Process() {
    if (exit_code_) return;
    ::kill(pid_, SIGKILL);
    ::kill(pid_, SIGCONT);
    ::waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }

  /// The exit code, 128 + n for a death by signal n, or nullopt while it runs.
  std::optional<int> poll() {
    int status = 0;
    if (!exit_code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return exit_code_;
  }
  /// Waits for the end; nullopt when it did not come in time.
  std::optional<int> wait(std::chrono::milliseconds within = std::chrono::seconds{20}) {
    (void)eventually([&] { return poll().has_value(); }, within);
    return exit_code_;
  }
  /// Kills it as a power cut would, and waits.
  void kill() {
    signal(SIGKILL);
    wait();
  }

  [[nodiscard]] std::string out() const { return TempDir::read(dir_ / "out"); }
  [[nodiscard]] std::string err() const { return TempDir::read(dir_ / "err"); }
  /// Waits until it has written `text` to either.
  [[nodiscard]] bool says(std::string_view text,
                          std::chrono::milliseconds within = std::chrono::seconds{20}) {
    return eventually(
        [&] {
          return out().find(text) != std::string::npos || err().find(text) != std::string::npos;
        },
        within);
  }

 private:
  static bool is_replaced(std::string_view entry, const std::vector<std::string>& by) {
    const std::string_view name = entry.substr(0, entry.find('=') + 1);
    for (const std::string_view other : by) {
      if (other.starts_with(name)) return true;
    }
    return false;
  }

  TempDir dir_;
  pid_t pid_ = 0;
  std::optional<int> exit_code_;
};

}  // namespace baozi::test
