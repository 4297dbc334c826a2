/// \file children.hpp
/// Programs that a command starts for itself and stops again, whatever becomes of the command: when
/// it ends, when it is interrupted (they are told, and their folder is removed), when it is killed
/// (the system tells them). Threading: one at a time in a process; the calling thread.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace baozi::cli {

class Children {
 public:
  /// Makes a folder for their files below `parent`, and takes INT and TERM. Before any thread is
  /// started.
  explicit Children(const std::string& parent);
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  [[nodiscard]] const std::string& folder() const { return folder_; }
  /// Starts `program` (beside this one, else in PATH), output and log into `folder()/NAME.log`, and
  /// waits until a line there holds `text`. \return that line. \throws std::runtime_error  with
  /// what it wrote, when it did not come.
  std::string start(const std::string& name, const std::string& program,
                    std::vector<std::string> arguments, const std::string& text);
  /// The same without waiting.
  void start(const std::string& name, const std::string& program,
             std::vector<std::string> arguments);
  /// "NAME ended: what it wrote first" of one that ended by itself, or "".
  [[nodiscard]] std::string ended_early();
  /// What else is to be tidied up when a signal ends this process; on a thread of its own.
  void on_interrupt(std::function<void()> tidy);
  /// TERM to all, the last one first; each is waited for, and killed after ten seconds.
  void stop();

  /// The path of a program of ours: beside this one, else as it is, for PATH.
  [[nodiscard]] static std::string beside(const std::string& program);

 private:
  void remove_folder() const;

  std::string folder_;
};

}  // namespace baozi::cli
