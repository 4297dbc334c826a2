#include "worker/prefork/coroutine_notes.hpp"

#include <cerrno>

#include <sys/socket.h>

#include "worker/prefork/messages.hpp"

namespace baozi::worker::prefork {

namespace {

constexpr std::size_t head_bytes = sizeof(std::uint32_t) + sizeof(Note);

/// Room for the payload, which is to be written there.
char* append_head(Bytes& out, Note kind, std::size_t payload_bytes) {
  const auto size = static_cast<std::uint32_t>(payload_bytes);
  const std::size_t at = out.size();
  out.resize(at + head_bytes + payload_bytes);
  std::memcpy(out.data() + at, &size, sizeof size);
  std::memcpy(out.data() + at + sizeof size, &kind, sizeof kind);
  return out.data() + at + head_bytes;
}

}  // namespace

void append_note(Bytes& out, Note kind, BytesView payload) {
  char* const to = append_head(out, kind, payload.size());
  if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
}

void append_note(Bytes& out, Note kind, Token token) {
  std::memcpy(append_head(out, kind, sizeof token), &token, sizeof token);
}

void append_start(Bytes& out, std::uint32_t place, const Start& start) {
  char* const to = append_head(out, Note::start, sizeof place + start_size(start));
  std::memcpy(to, &place, sizeof place);
  write_start(start, to + sizeof place);
}

std::optional<Token> token_in(BytesView payload) {
  Token token{};
  if (payload.size() != sizeof token) return std::nullopt;
  std::memcpy(&token, payload.data(), sizeof token);
  return token;
}

NoteReader::Stream NoteReader::read(int socket, std::size_t most) {
  bytes_.erase(0, at_);
  at_ = 0;
  char buffer[64UL * 1'024];
  for (std::size_t taken = 0; taken < most;) {
    const ssize_t size = recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return Stream::open;
    if (size <= 0) return Stream::ended;
    bytes_.append(buffer, static_cast<std::size_t>(size));
    taken += static_cast<std::size_t>(size);
  }
  return Stream::open;
}

NoteReader::Got NoteReader::next(Note& kind, BytesView& payload) {
  std::uint32_t size = 0;
  if (bytes_.size() - at_ < head_bytes) return Got::nothing;
  std::memcpy(&size, bytes_.data() + at_, sizeof size);
  std::memcpy(&kind, bytes_.data() + at_ + sizeof size, sizeof kind);
  if (size > note_bytes_max || kind > Note::full) return Got::damaged;
  if (bytes_.size() - at_ - head_bytes < size) return Got::nothing;
  payload = BytesView{bytes_}.substr(at_ + head_bytes, size);
  at_ += head_bytes + size;
  return Got::note;
}

}  // namespace baozi::worker::prefork
