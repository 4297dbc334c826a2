/// \file detach.hpp
/// --detach: the program goes on in the background, and the command that started it returns when it
/// is ready or has failed, with its exit code and its one line of complaint. Threading: before the
/// first thread, the first socket and the first open log. The folder stays the same, so that
/// relative paths keep their meaning.
#pragma once
#include <string_view>

namespace baozi::base {

/// The background's side of the pipe to the waiting parent. The one that was made without detaching
/// does nothing.
class ReadyPipe {
 public:
  ReadyPipe() = default;
  explicit ReadyPipe(int descriptor) : descriptor_{descriptor} {}
  ~ReadyPipe();
  ReadyPipe(ReadyPipe&& other) noexcept : descriptor_{other.descriptor_} { other.descriptor_ = -1; }
  ReadyPipe& operator=(ReadyPipe&&) = delete;

  /// Is anybody still waiting?
  [[nodiscard]] bool waiting() const { return descriptor_ >= 0; }
  /// The parent exits with 0.
  void ready();
  /// The parent prints `line` on stderr and exits with `exit_code`. Nothing after `ready`.
  void failed(int exit_code, std::string_view line);

 private:
  void send(std::string_view message);
  int descriptor_ = -1;
};

/// Forks into the background (a session of its own, no terminal, standard streams on /dev/null).
/// Returns there only; the calling process waits for its word and exits. Throws std::system_error
/// when it cannot fork.
[[nodiscard]] ReadyPipe detach();

}  // namespace baozi::base
