/// \file namer.hpp
/// Namer: gives the stacks of crashes and of exceptions their names, in a process of its own beside
/// the fork server's children: reading debug information takes its time and its memory, and may
/// fail. The process starts with the first question, reads once, and ends when nobody asked for a
/// while; stacks that were named are known from then on. Threading: the fork server's, which has
/// one thread.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/bytes.hpp"
#include "worker/prefork/control.hpp"

namespace baozi::worker::prefork {

class Namer {
 public:
  struct Answer {
    std::int64_t question = 0;
    Bytes text{};  ///< empty: nobody knows
  };

  /// \param kind  `names` or `traces`, which says what the text is. The answer comes at once, or
  /// with `answers`.
  [[nodiscard]] std::vector<Answer> ask(std::int64_t question, Order kind, const Bytes& text);
  /// To be polled; -1: there is no process.
  [[nodiscard]] int fd() const { return socket_; }
  /// What has come through `fd`.
  [[nodiscard]] std::vector<Answer> answers();
  /// So long without a question, and `rest` is due. -1: never.
  [[nodiscard]] int patience_ms() const { return socket_ >= 0 && order_.empty() ? rest_ms : -1; }
  /// Lets the process end, and its memory go; the next question starts another.
  void rest();
  /// A process of ours has ended. If it was this one, its questions are answered with nothing.
  [[nodiscard]] std::vector<Answer> on_ended(pid_t pid);
  /// In a process that was forked off: not its business.
  void forget();

 private:
  static constexpr int rest_ms = 60'000;
  static constexpr int failures_max = 3;
  static constexpr std::size_t asked_max = 64;      ///< stacks at the same time
  static constexpr std::size_t waiting_max = 4096;  ///< and so many that wait for that
  static constexpr std::size_t known_max = 256;

  using Stack = std::pair<Order, Bytes>;

  void start();
  [[nodiscard]] bool pass_on(const Stack& stack);
  [[noreturn]] static void run(int socket);
  [[nodiscard]] std::vector<Answer> answer(const Stack& stack, const Bytes& text);

  pid_t pid_ = 0;
  int socket_ = -1;
  int failures_ = 0;
  std::deque<Stack> order_;    ///< stacks that it was asked for; it answers in their order
  std::deque<Stack> waiting_;  ///< those that it will be asked for then
  std::map<Stack, std::vector<std::int64_t>> asked_;  ///< who wants to know of which stack
  std::map<Stack, Bytes> known_;
};

}  // namespace baozi::worker::prefork
