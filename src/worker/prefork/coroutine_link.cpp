#include "worker/prefork/coroutine_link.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include "worker/prefork/messages.hpp"

namespace baozi::worker::prefork {

namespace {
constexpr std::size_t out_bytes_max = std::size_t{1} << 18U;  // what lies here can be taken back
constexpr std::size_t bytes_per_turn = std::size_t{4} << 20U;
}  // namespace

CoroutineLink::CoroutineLink(int memory, int socket) : segment_{memory}, socket_{socket} {}
CoroutineLink::~CoroutineLink() { close(socket_); }

bool CoroutineLink::push(const Start& start, MonoTime now) {
  if (out_.size() - written_ >= out_bytes_max) return false;
  std::uint32_t place = next_place_;
  if (!free_places_.empty()) {
    place = free_places_.back();
    free_places_.pop_back();
  } else if (next_place_ < coroutine_places) {
    ++next_place_;
  } else {
    return false;
  }
  segment_->began_us[place].store(0);
  append_start(out_, place, start);
  items_.emplace(start.token,
                 Item{.start = start, .pushed = now, .place = place, .order = next_order_++});
  return true;
}

void CoroutineLink::ask_back(Token token, bool interrupt) {
  append_note(out_, interrupt ? Note::interrupt : Note::recall, token);
}

void CoroutineLink::ask_to_leave() { append_note(out_, Note::leave); }

void CoroutineLink::flush() {
  while (written_ < out_.size()) {
    const ssize_t size =
        send(socket_, out_.data() + written_, out_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;  // no room now, or nobody is there any more: `collect` says so
    written_ += static_cast<std::size_t>(size);
  }
  if (written_ == out_.size() || written_ >= out_bytes_max) {
    out_.erase(0, std::exchange(written_, 0));
  }
}

CoroutineLink::Said CoroutineLink::collect(const News& news) {
  const NoteReader::Stream stream = notes_.read(socket_, bytes_per_turn);
  Note kind{};
  BytesView payload;
  while (true) {
    const NoteReader::Got got = notes_.next(kind, payload);
    if (got == NoteReader::Got::nothing) break;
    if (got == NoteReader::Got::damaged || !hear(kind, payload, news)) return Said::nonsense;
  }
  return stream == NoteReader::Stream::ended ? Said::goodbye : Said::sense;
}

/// False: it makes no sense.
bool CoroutineLink::hear(Note kind, BytesView payload, const News& news) {
  switch (kind) {
    case Note::up: up_ = true; return true;
    case Note::full: full_ = true; return true;
    case Note::ended: {
      std::optional<Ended> one = unpack_ended(payload);
      if (!one) return false;
      if (one->token == taken_) return true;
      if (!end(one->token)) return false;
      ++answered_;
      news.ended.push_back(*std::move(one));
      return true;
    }
    case Note::update: {
      std::optional<StateUpdate> one = unpack_update(payload);
      if (!one) return false;
      if (has(one->token)) news.updates.push_back(*std::move(one));
      return true;
    }
    case Note::returned: {
      const std::optional<Token> token = token_in(payload);
      if (!token) return false;
      if (token == taken_) return true;
      if (!end(*token)) return false;
      news.returned.push_back(*token);
      return true;
    }
    default: return false;  // that is ours to say
  }
}

/// False: it has no such item.
bool CoroutineLink::end(Token token) {
  const auto found = items_.find(token);
  if (found == items_.end()) return false;
  free_places_.push_back(found->second.place);
  items_.erase(found);
  return true;
}

Leaving CoroutineLink::leaving() const {
  const Leaving said = segment_->leaving.load();
  return said > Leaving::descriptors ? Leaving::no : said;
}

std::optional<MonoTime> CoroutineLink::began(const Item& one, MonoTime now) const {
  const std::int64_t said = segment_->began_us[one.place].load();
  if (said == 0) return std::nullopt;
  const MonoTime at = mono_time(said);
  return at < one.pushed || at > now ? one.pushed : at;
}

std::optional<CoroutineLink::Running> CoroutineLink::running() const {
  const auto seen = segment_->step.look();
  if (!seen) return std::nullopt;
  const auto found = items_.find(seen->token);
  if (found == items_.end()) return std::nullopt;
  return Running{&found->second, seen->number, seen->since};
}

CoroutineLink::Item CoroutineLink::take(Token token) {
  taken_ = token;
  return items_.extract(token).mapped();  // its place is not given away again: it may run still
}

CoroutineLink::Left CoroutineLink::bury(MonoTime now) {
  Left left;
  const std::optional<Running> last = running();
  std::vector<Item> all;
  for (const auto& [token, one] : items_) all.push_back(one);
  std::sort(all.begin(), all.end(), [](const Item& a, const Item& b) { return a.order < b.order; });
  for (const Item& one : all) {
    if (last && last->item->order == one.order) {
      left.culprit = one;
    } else if (began(one, now)) {
      left.begun.push_back(one);
    } else {
      left.waiting.push_back(one.start);
    }
  }
  items_.clear();
  return left;
}

}  // namespace baozi::worker::prefork
