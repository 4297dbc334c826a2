/// \file coroutine_notes.hpp
/// What the worker and a coroutine child say to each other, as bytes of a stream: notes, each with
/// its size, its kind, and a payload that messages.hpp packs. Numbers travel as they lie in memory.
/// Threading: each end has one owner.
#pragma once
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"
#include "worker/execution.hpp"

namespace baozi::worker::prefork {

enum class Note : std::uint8_t {
  // To the child.
  start,      ///< 4 bytes: its place; a Start
  recall,     ///< a token: give it back if it has not begun
  interrupt,  ///< a token: the same, or else tell it that it is revoked
  leave,      ///< end, once nothing is left; no further start follows
  // From the child.
  up,        ///< it takes starts
  ended,     ///< an Ended
  update,    ///< a StateUpdate
  returned,  ///< a token: it had not begun and will not
  full,      ///< it is to be replaced; CoroutineSegment::leaving says why
};

void append_note(Bytes& out, Note kind, BytesView payload = {});
void append_note(Bytes& out, Note kind, Token token);
/// A `start` and its place.
void append_start(Bytes& out, std::uint32_t place, const Start& start);

/// nullopt: the payload is no token.
[[nodiscard]] std::optional<Token> token_in(BytesView payload);

/// Whole notes out of a stream, checked for their size and kind.
class NoteReader {
 public:
  static constexpr std::size_t note_bytes_max = std::size_t{9} << 20U;
  enum class Got : std::uint8_t { nothing, note, damaged };
  enum class Stream : std::uint8_t { open, ended };

  /// Reads what has arrived, `most` bytes and a little more. `ended`: nothing will come any more.
  [[nodiscard]] Stream read(int socket, std::size_t most);
  /// The next whole one; `payload` is valid until the next `read`.
  [[nodiscard]] Got next(Note& kind, BytesView& payload);

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

}  // namespace baozi::worker::prefork
