/// \file coroutine_link.hpp
/// The worker's side of one coroutine child: what it was given, what of that has ended, and who
/// was what when it dies. Knows nothing of processes, and believes nothing that the child says.
/// Threading: the loop's.
#pragma once
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "worker/ended.hpp"
#include "worker/prefork/coroutine_notes.hpp"
#include "worker/prefork/coroutine_segment.hpp"

namespace baozi::worker::prefork {

class CoroutineLink {
 public:
  struct Item {
    Start start;
    MonoTime pushed{};
    std::uint32_t place = 0;
    std::uint64_t order = 0;  ///< of pushing
  };
  /// What the child has said.
  struct News {
    std::vector<Ended>& ended;
    std::vector<StateUpdate>& updates;
    std::vector<Token>& returned;
  };
  enum class Said : std::uint8_t {
    sense,
    nonsense,  ///< nothing further from it can be believed
    goodbye,   ///< its end of the socket is closed
  };

  /// \param memory  of a CoroutineSegment; stays the caller's. Throws std::system_error.
  /// \param socket  a connected stream that does not block; closed with this.
  CoroutineLink(int memory, int socket);
  ~CoroutineLink();
  CoroutineLink(const CoroutineLink&) = delete;
  CoroutineLink& operator=(const CoroutineLink&) = delete;

  /// False: no room now. `flush` after the last one.
  bool push(const Start& start, MonoTime now);
  /// Asks for one back; with `interrupt` one that has begun is told that it is revoked. What
  /// becomes of it comes with the news.
  void ask_back(Token token, bool interrupt);
  /// It ends once nothing is left.
  void ask_to_leave();
  /// Writes what the socket takes.
  void flush();
  /// There is more to write than the socket took.
  [[nodiscard]] bool has_unwritten() const { return written_ < out_.size(); }
  [[nodiscard]] int fd() const { return socket_; }

  [[nodiscard]] Said collect(const News& news);

  [[nodiscard]] bool is_up() const { return up_; }
  /// It says that it is to be replaced.
  [[nodiscard]] bool is_full() const { return full_; }
  [[nodiscard]] Leaving leaving() const;
  [[nodiscard]] std::size_t in_flight() const { return items_.size(); }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] bool has(Token token) const { return items_.contains(token); }
  /// When it began; nullopt: it has not. Never before it was pushed and never in the future.
  [[nodiscard]] std::optional<MonoTime> began(const Item& one, MonoTime now) const;
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [token, one] : items_) visit(one);
  }
  /// Who runs at this moment, and since when it has not awaited; nullopt: nobody, or nobody of
  /// ours.
  struct Running {
    const Item* item = nullptr;
    std::uint64_t step = 0;  ///< another number: it has awaited something meanwhile
    MonoTime since{};
  };
  [[nodiscard]] std::optional<Running> running() const;
  [[nodiscard]] const CrashRecord& crash() const { return segment_->crash; }

  /// Its end is told without the child, which is to be killed; whatever that says of it still is
  /// ignored.
  [[nodiscard]] Item take(Token token);
  /// The process is gone. What it left, in the order in which it came here.
  struct Left {
    std::optional<Item> culprit;  ///< the one that ran at that moment
    std::vector<Item> begun;      ///< the others that had begun
    std::vector<Start> waiting;   ///< can be run elsewhere, as if nothing had happened
  };
  [[nodiscard]] Left bury(MonoTime now);

 private:
  [[nodiscard]] bool hear(Note kind, BytesView payload, const News& news);
  bool end(Token token);

  SharedMemory<CoroutineSegment> segment_;
  int socket_;
  NoteReader notes_;
  Bytes out_;
  std::size_t written_ = 0;
  std::unordered_map<Token, Item> items_;
  std::vector<std::uint32_t> free_places_;
  std::uint32_t next_place_ = 0;  ///< no place from here on was ever given away
  std::uint64_t next_order_ = 0;
  std::optional<Token> taken_;
  std::uint64_t answered_ = 0;
  bool up_ = false;
  bool full_ = false;
};

}  // namespace baozi::worker::prefork
