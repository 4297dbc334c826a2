/// \file worker_questions.hpp
/// Questions that somebody asked of the workers through this broker. Who must answer is known when
/// a question is put, so its answer names everyone of them: with a reply, or as silent and why.
/// Pure: no socket, no clock. Threading: owned by the broker core. Time: passed in.
/// Source: docs/protocol.md, "Questions and control".
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "wire/message.hpp"

namespace baozi::broker {

class WorkerQuestions {
 public:
  struct Limits {
    std::size_t questions_max = 256;  ///< open at a time
    std::size_t bytes_max = std::size_t{64}
                            << 20U;  ///< questions and answers that are kept, of all
    std::size_t answer_bytes_max = std::size_t{256} << 10U;  ///< of one worker
    std::size_t frame_bytes_max = std::size_t{8} << 20U;     ///< of a whole answer
  };
  struct Addressee {
    std::uint64_t incarnation = 0;
    std::string name;
    std::uint64_t session = 0;  ///< 0: it is away, and is asked when it comes back in time
    std::string silent{};       ///< why it is not waited for; empty: it is
  };
  struct Question {
    std::uint64_t session = 0;  ///< of whoever asked
    std::uint64_t request = 0;  ///< its number for it
    std::string command;
    Bytes arguments;
    std::vector<Addressee> addressees;
    std::vector<std::string> missing;  ///< destinations that match no worker
    MonoTime deadline{};
  };
  /// CONTROL to be sent to a worker.
  struct Asking {
    std::uint64_t session = 0;
    wire::Control message;  ///< views into this object
  };
  struct Finished {
    std::uint64_t session = 0;
    std::uint64_t request = 0;
    std::uint64_t code = 0;  ///< 0, or a wire::ErrorCode; then the payload is a text
    Bytes payload;
  };

  explicit WorkerQuestions(const Limits& limits) : limits_{limits} {}

  /// False when as many are open as may be: then nothing was kept.
  [[nodiscard]] bool open(Question question);
  void on_reply(std::uint64_t worker_session, const wire::Reply& reply);
  /// A worker opened a session.
  void on_worker(std::uint64_t incarnation, std::uint64_t session);
  /// A session ended: of a worker that owes answers, or of somebody who asked.
  void on_session_ended(std::uint64_t session);

  [[nodiscard]] bool empty() const { return open_.empty(); }
  [[nodiscard]] std::size_t size() const { return open_.size(); }
  /// What is to be sent since the last call. Send it before anything else is called.
  [[nodiscard]] std::vector<Asking> take_askings();
  /// Those that everybody has answered, and those whose time is over.
  [[nodiscard]] std::vector<Finished> take_finished(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

 private:
  enum class Standing : std::uint8_t { unsent, sent, answered, lost };
  struct Worker {
    Addressee who;
    Standing standing = Standing::unsent;
    std::uint64_t code = 0;
    Bytes payload;
  };
  struct Open {
    Question question;
    std::vector<Worker> workers;
    std::size_t owing = 0;  ///< neither answered nor lost
    std::size_t bytes = 0;
  };
  [[nodiscard]] Bytes answer(const Open& open) const;
  void close(std::map<std::uint64_t, Open>::iterator at);

  Limits limits_;
  std::map<std::uint64_t, Open> open_;  // by the number that workers see
  std::uint64_t next_number_ = 1;
  std::size_t bytes_ = 0;
  bool askings_due_ = false;
};

}  // namespace baozi::broker
