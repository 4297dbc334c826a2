/// \file control_desk.hpp
/// Questions that brokers brought to a worker: who waits for which answer, and the answers that
/// were given, so that a command which several brokers bring is obeyed once. Pure. Threading: owned
/// by the worker core. Source: docs/protocol.md, "CONTROL to a worker".
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace baozi::worker {

class ControlDesk {
 public:
  static constexpr std::size_t open_max = 256;     ///< questions without an answer
  static constexpr std::size_t answers_max = 256;  ///< kept, the newest
  static constexpr std::size_t answers_bytes_max = std::size_t{4} << 20U;
  static constexpr std::size_t answer_bytes_max = std::size_t{256}
                                                  << 10U;  ///< as brokers take them

  struct Asker {
    std::uint32_t broker = 0;  ///< by index
    std::uint64_t session = 0;
    std::uint64_t request = 0;
  };
  struct Answer {
    std::uint64_t code = 0;
    Bytes payload;
  };
  enum class Taken : std::uint8_t {
    fresh,     ///< obey, then `answer`
    waits,     ///< the same command is being obeyed: its answer will be this one's too
    answered,  ///< `known` says what was answered before
    full,      ///< too many are open; nothing was kept
  };

  /// \param once   what the command calls itself; empty: it has no name, and is obeyed each time.
  /// \param ticket set unless it was `answered` or `full`.
  [[nodiscard]] Taken take(const Asker& asker, std::string_view once, std::uint64_t& ticket,
                           const Answer*& known);
  /// Who waits for it; the answer is kept for those that come later. Empty for an unknown ticket.
  [[nodiscard]] std::vector<Asker> answer(std::uint64_t ticket, const Answer& answer);

  [[nodiscard]] std::size_t open() const { return open_.size(); }

 private:
  struct Open {
    std::string once;
    std::vector<Asker> askers;
  };
  std::map<std::uint64_t, Open> open_;
  std::uint64_t next_ticket_ = 1;
  std::map<std::string, Answer, std::less<>> answers_;
  std::deque<std::string> order_;  // of the answers, oldest first
  std::size_t bytes_ = 0;
};

}  // namespace baozi::worker
