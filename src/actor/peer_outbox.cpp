#include "actor/peer_outbox.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace baozi::actor {

namespace {

/// What will pass: the row waits, and so do those behind it.
bool is_passing(wire::Reason reason) {
  return reason == wire::Reason::queue_full || reason == wire::Reason::no_space ||
         reason == wire::Reason::draining || reason == wire::Reason::memory;
}

constexpr std::size_t load_rows_max = 256;

}  // namespace

Bytes pack_outbox_row(const OutboxRow& row) {
  Bytes bytes;
  bytes.reserve(row.task.size() + row.home.size() + 40);
  Writer out{bytes};
  out.array(4);
  out.bin(row.origin);
  out.str(row.home);
  out.bin(row.task);
  out.integer(row.since_us);
  return bytes;
}

Result<OutboxRow> unpack_outbox_row(BytesView bytes) {
  Reader in{bytes};
  OutboxRow row;
  if (in.array() != 4) in.fail("an outbox row has four fields");
  row.origin = in.bin();
  row.home = in.str();
  row.task = in.bin();
  row.since_us = in.integer();
  if (in.ok() && !in.at_end()) in.fail("bytes after the outbox row");
  if (!in.ok()) return unexpected(Errc::store_corrupt, in.error());
  return row;
}

PeerOutbox::PeerOutbox(std::string endpoint, std::optional<LinkId> link, const Lane& lane,
                       const OutboxLimits& limits, Now now, const Rules& rules)
    : endpoint_{std::move(endpoint)},
      link_id_{link},
      limits_{limits},
      rules_{rules},
      lane_{lane},
      first_{lane.next},
      durable_end_{lane.next},
      link_{rules},
      since_{now.mono},
      next_send_{lane.next},
      sent_to_{lane.next} {}

void PeerOutbox::restore(std::uint64_t first, std::uint64_t rows, std::uint64_t bytes) {
  damaged_ = first + rows != lane_.next;
  first_ = next_send_ = sent_to_ = first;
  bytes_ = bytes;
}

// ---- rows

std::uint64_t PeerOutbox::push(OutboxRow&& row, std::size_t packed_bytes) {
  const bool follows = memory_end() == lane_.next;
  const bool room =
      memory_.size() < limits_.memory_rows && memory_bytes_ + packed_bytes <= limits_.memory_bytes;
  if (follows && !loading_ && (room || memory_.empty())) {
    memory_.push_back({.row = std::move(row), .bytes = packed_bytes});
    memory_bytes_ += packed_bytes;
  }
  bytes_ += packed_bytes;
  lane_dirty_ = true;
  return lane_.next++;
}

void PeerOutbox::closed(std::uint64_t n) {
  marks_.push_back({n, lane_.next});
  if (shifted_ && shifted_n_ == 0) shifted_n_ = n;
  lane_dirty_ = false;
}

void PeerOutbox::on_persisted(std::uint64_t n) {
  for (; !marks_.empty() && marks_.front().n <= n; marks_.pop_front())
    durable_end_ = marks_.front().end;
  if (shifted_ && shifted_n_ != 0 && shifted_n_ <= n) {
    shifted_ = false;
    shifted_n_ = 0;
  }
}

std::optional<PeerOutbox::Load> PeerOutbox::load() {
  const std::uint64_t on_disk = lane_.next - memory_end();
  if (on_disk == 0 || loading_ || damaged_ || memory_end() >= durable_end_) return std::nullopt;
  if (!memory_.empty() &&
      (memory_.size() > limits_.memory_rows / 2 || memory_bytes_ > limits_.memory_bytes / 2))
    return std::nullopt;
  loading_ = true;
  const std::uint64_t each = std::max<std::uint64_t>(
      (bytes_ - std::min<std::uint64_t>(memory_bytes_, bytes_)) / on_disk, 1);
  const std::uint64_t fit =
      (limits_.memory_bytes - std::min(memory_bytes_, limits_.memory_bytes)) / each;
  return Load{.after = memory_end() - 1,
              .rows_max = std::clamp<std::size_t>(static_cast<std::size_t>(fit), 1, load_rows_max)};
}

bool PeerOutbox::on_loaded(std::vector<std::pair<std::uint64_t, Bytes>>&& rows) {
  loading_ = false;
  damaged_ = damaged_ || rows.empty();  // they were durable when they were asked for
  for (auto& [sequence, packed] : rows) {
    if (sequence < memory_end()) continue;  // it left meanwhile
    auto row = unpack_outbox_row(packed);
    damaged_ = sequence != memory_end() || !row;
    if (damaged_) return false;
    memory_.push_back({.row = std::move(*row), .bytes = packed.size()});
    memory_bytes_ += packed.size();
  }
  return !damaged_;
}

void PeerOutbox::remove_first() {
  if (memory_.empty()) {
    bytes_ -= std::min<std::uint64_t>(bytes_, bytes_ / std::max<std::uint64_t>(rows(), 1));
  } else {
    const std::size_t bytes = memory_.front().bytes;
    memory_bytes_ -= bytes;
    bytes_ -= std::min<std::uint64_t>(bytes_, bytes);
    if (first_ < next_send_) sent_bytes_ -= std::min(sent_bytes_, bytes);
    memory_.pop_front();
  }
  ++first_;
  next_send_ = std::max(next_send_, first_);
}

void PeerOutbox::change_shift(std::int64_t shift) {
  lane_.shift = shift;
  lane_dirty_ = shifted_ = true;
  shifted_n_ = 0;
}

// ---- the session

void PeerOutbox::on_connected(wire::Hello hello, Now now, NetEffects& net) {
  if (link_.state() != Link::State::down) lost(now);
  connected_ = true;
  hello.origin = lane_.origin.view();
  net.to_links.push_back({*link_id_, link_.greet(hello, now)});
}

void PeerOutbox::on_disconnected(Now now, NetEffects& net) {
  if (connected_) lose(now, net);
}

/// The session is over and the connection is to be made anew.
void PeerOutbox::lose(Now now, NetEffects& net) {
  lost(now);
  connected_ = false;
  net.reset_links.push_back(*link_id_);
}

void PeerOutbox::lost(Now now) {
  if (link_.is_open() && !leaving_) since_ = now.mono;
  link_.drop();
  leaving_ = full_ = false;
}

void PeerOutbox::on_frame(BytesView bytes, Now now, NetEffects& net) {
  const bool was_open = is_open();
  wire::OpenFrame frame{.header = {}, .reader = Reader{{}}, .fields = 0};
  switch (link_.on_frame(bytes, now, frame)) {
    case Link::Event::nothing: return;
    case Link::Event::lost:
      if (was_open) since_ = now.mono;
      return lose(now, net);
    case Link::Event::welcome: return on_welcome(now);
    case Link::Event::message: break;
  }
  switch (frame.header.type) {
    case wire::Type::submitted:
      if (wire::decode(frame, submitted_)) on_submitted(submitted_, now);
      return;
    case wire::Type::goodbye:
      leaving_ = true;
      since_ = now.mono;
      return;
    case wire::Type::error: {
      wire::ErrorMessage message;
      if (wire::decode(frame, message)) on_error(message);
      return;
    }
    default: return;  // of collectors, or of a later version
  }
}

void PeerOutbox::on_welcome(Now now) {
  const wire::Welcome& welcome = link_.welcome();
  peer_name_ = welcome.name;
  trouble_.clear();
  since_ = now.mono;
  leaving_ = full_ = probing_ = false;
  if (!welcome.resume) {  // whatever it is, it takes no tasks
    trouble_ = "it is no broker";
    leaving_ = true;
    return;
  }
  blocked_until_ = {};
  backoff_ = Micros{0};
  const std::uint64_t accepted = welcome.resume->accepted;
  const auto expected = static_cast<std::int64_t>(accepted) + 1;
  if (expected < number_of(first_) || expected > number_of(lane_.next)) {
    // Its store is new, or ours is an older one: what it took of what still waits here cannot be
    // told. All of it is sent, under the next numbers there: perhaps twice rather than never.
    ++counters_.renumbered;
    change_shift(static_cast<std::int64_t>(first_) - expected);
  } else {
    confirm_upto(welcome.resume->committed);
  }
  next_send_ = std::clamp(sequence_of(accepted + 1), first_, lane_.next);
  sent_bytes_ = 0;
  for (InMemory& row : memory_) {
    row.frame = 0;
    row.unreadable.clear();
  }
  for (std::uint64_t at = first_; at < next_send_ && at < memory_end(); ++at)
    sent_bytes_ += memory_[at - first_].bytes;
}

void PeerOutbox::on_error(const wire::ErrorMessage& message) {
  trouble_ = std::string{wire::to_string(message.code)} + ": " + std::string{message.text};
  if (message.code != wire::ErrorCode::malformed || message.about == 0) return;
  // A SUBMIT that it cannot read (of a newer version, say) gets no other answer: the row is as good
  // as refused, and must not hold up those behind it for ever.
  for (std::uint64_t at = first_; at < next_send_ && at < memory_end(); ++at) {
    InMemory& sent = memory_[at - first_];
    if (sent.frame == message.about) sent.unreadable = message.text;
  }
  refuse_unreadable();
}

void PeerOutbox::refuse_unreadable() {
  if (first_ >= next_send_ || memory_.empty() || memory_.front().unreadable.empty()) return;
  rewind(first_);  // those behind it are out of sequence, or unreadable themselves
  probing_ = true;
  refuse_first(wire::Reason::bad_task, std::move(memory_.front().unreadable));
}

void PeerOutbox::refuse_first(wire::Reason reason, std::string text) {
  refused_.push_back(
      {.row = std::move(memory_.front().row), .reason = reason, .text = std::move(text)});
  remove_first();
  change_shift(lane_.shift + 1);
}

void PeerOutbox::on_submitted(const wire::Submitted& message, Now now) {
  confirm_upto(message.upto);
  for (const wire::BatchRefusal& refusal : message.refusals) on_refusal(refusal, now);
  refuse_unreadable();
}

void PeerOutbox::confirm_upto(std::uint64_t number) {
  while (first_ < lane_.next && number_of(first_) <= static_cast<std::int64_t>(number)) {
    remove_first();
    ++counters_.confirmed;
    probing_ = full_ = false;
    backoff_ = Micros{0};
  }
}

void PeerOutbox::on_refusal(const wire::BatchRefusal& refusal, Now now) {
  const std::uint64_t sequence = sequence_of(refusal.number);
  if (sequence < first_ || sequence >= next_send_) return;
  rewind(sequence);
  if (refusal.code == wire::Refusal::out_of_sequence)
    return;  // what was refused before it goes first
  const bool named = refusal.code == wire::Refusal::rejected && !refusal.tasks.empty();
  const wire::Reason reason = named ? refusal.tasks.front().reason : refusal.reason;
  if (refusal.code == wire::Refusal::full || is_passing(reason))
    return wait(refusal.retry_after_us, now);
  probing_ = true;
  // What is before it is taken, but not committed yet: it is asked for once more then, so that
  // rows always leave at the front.
  if (sequence != first_ || memory_.empty()) return;
  refuse_first(reason, named ? std::string{refusal.tasks.front().text} : std::string{});
}

/// From here on they are to be sent again.
void PeerOutbox::rewind(std::uint64_t sequence) {
  while (next_send_ > sequence) {
    --next_send_;
    if (next_send_ < memory_end())
      sent_bytes_ -= std::min(sent_bytes_, memory_[next_send_ - first_].bytes);
  }
}

void PeerOutbox::wait(std::uint64_t hint_us, Now now) {
  ++counters_.waited;
  full_ = probing_ = true;
  backoff_ = std::clamp(backoff_ * 2, limits_.backoff_first, limits_.backoff_max);
  const auto hint_max = static_cast<std::uint64_t>(limits_.backoff_max.count());
  blocked_until_ =
      now.mono + std::max(backoff_, Micros{static_cast<std::int64_t>(std::min(hint_us, hint_max))});
}

// ---- sending

std::uint64_t PeerOutbox::sendable_end() const {
  if (!rules_.d27_outbox_durable) return std::min(memory_end(), lane_.next);  // the seeded bug
  return std::min(memory_end(), durable_end_);
}

bool PeerOutbox::may_send_next() const {
  if (!is_open() || shifted_ || damaged_ || next_send_ >= sendable_end()) return false;
  const std::uint64_t outstanding = next_send_ - first_;
  return outstanding == 0 || (!probing_ && outstanding < limits_.window_rows &&
                              sent_bytes_ + memory_[outstanding].bytes <= limits_.window_bytes);
}

void PeerOutbox::send_due(Now now, NetEffects& net) {
  if (now.mono < blocked_until_) return;
  for (; may_send_next(); ++next_send_) {
    InMemory& next = memory_[next_send_ - first_];
    const wire::PackedSubmit message{
        .number = static_cast<std::uint64_t>(number_of(next_send_)),
        .origin = next.row.origin.size() == 16 ? BytesView{next.row.origin} : lane_.origin.view(),
        .home = next.row.home,
        .flags = 0,
        .count = 1,
        .tasks = next.row.task};
    const Link::Stamp stamp = link_.stamp(now);
    net.to_links.push_back({*link_id_, wire::encode(stamp.session, stamp.seq, message)});
    next.frame = stamp.seq;
    next.unreadable.clear();
    sent_bytes_ += next.bytes;
    ++(next_send_ < sent_to_ ? counters_.resent : counters_.sent);
    sent_to_ = std::max(sent_to_, next_send_ + 1);
  }
}

void PeerOutbox::turn(Now now, NetEffects& net) {
  if (!link_id_) return;
  std::optional<Bytes> ping;
  const bool was_open = is_open();
  if (link_.tick(now, ping) == Link::Event::lost) {
    if (was_open) since_ = now.mono;
    return lose(now, net);
  }
  if (ping) net.to_links.push_back({*link_id_, *std::move(ping)});
  send_due(now, net);
}

std::optional<MonoTime> PeerOutbox::next_deadline() const {
  std::optional<MonoTime> due = link_.next_deadline();
  if (may_send_next() && (!due || blocked_until_ < *due)) due = blocked_until_;
  return due;
}

void PeerOutbox::close(Now now, NetEffects& net) {
  if (link_.is_open())
    net.to_links.push_back({*link_id_, link_.frame(wire::Goodbye{.reason = "draining"}, now)});
  link_.drop();
}

}  // namespace baozi::actor
