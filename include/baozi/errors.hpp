/// \file errors.hpp
/// What can go wrong between a caller and its task, each by its own type, so that a caller can tell
/// "it does not exist" from "nobody knows". What the task itself threw is a TaskError (task.hpp).
/// Threading: values.
#pragma once
#include <stdexcept>
#include <string>
#include <utility>

#include "baozi/task.hpp"

namespace baozi {

/// The network, or this App, and not the task.
class ClientError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// No broker took the task before its deadline. It does not exist: to call it again is safe.
class NotSent : public ClientError {
 public:
  using ClientError::ClientError;
};

/// A broker refused the task for good. It does not exist; only with `too_late` (of `once_until`) an
/// earlier call may have made a task of this id.
class Rejected : public ClientError {
 public:
  Rejected(std::string reason, const std::string& text)
      : ClientError{"rejected (" + reason + "): " + text}, reason_{std::move(reason)} {}
  [[nodiscard]] const std::string& reason() const {
    return reason_;
  }  ///< "queue_full", "too_large", …

 private:
  std::string reason_;
};

/// The task was sent and its broker did not confirm it before the deadline: it may exist. Nobody
/// submits it again; to find out, ask for its id later: `app.result<int>(id)`.
class SubmitUnknown : public ClientError {
 public:
  using ClientError::ClientError;
};

/// Not ready in the time that the caller gave. Nothing else has happened: ask again.
class Timeout : public ClientError {
 public:
  using ClientError::ClientError;
};

/// The App was closed (or its process forked) while somebody waited. The task goes on.
class AppClosed : public ClientError {
 public:
  using ClientError::ClientError;
};

/// A middleware of the App threw, or did not hand the task in. What it threw is nested in this.
class MiddlewareError : public ClientError {
 public:
  MiddlewareError(const std::string& name, const std::string& why, bool submitted)
      : ClientError{"middleware '" + name + "': " + why}, submitted_{submitted} {}
  /// True when the task had been handed in before: it exists, or will.
  [[nodiscard]] bool submitted() const { return submitted_; }

 private:
  bool submitted_;
};

/// Nobody answered a question (revoke, forget, control) in time, or the answer was an error.
class NoAnswer : public ClientError {
 public:
  using ClientError::ClientError;
};

/// The task ended as REVOKED: by request, because it expired, or because a queue was full or
/// purged.
class TaskRevoked : public TaskError {
 public:
  using TaskError::TaskError;
};

/// Blocking here could wait for ever: inside a task (which holds a slot of the very workers it
/// waits for), or on the callback thread (on which nothing else can be called meanwhile). Use
/// `then`, `co_await`, a follow-up, or, where you know better, AllowGetInTask.
class WouldBlock : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// While it lives, the calling thread may `get` inside a task.
class AllowGetInTask {
 public:
  AllowGetInTask();
  ~AllowGetInTask();
  AllowGetInTask(const AllowGetInTask&) = delete;
  AllowGetInTask& operator=(const AllowGetInTask&) = delete;

  /// For the calling thread.
  [[nodiscard]] static bool is_given();
};

}  // namespace baozi
