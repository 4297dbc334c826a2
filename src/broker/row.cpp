#include "broker/row.hpp"

#include "baozi/packing.hpp"
#include "wire/codec.hpp"
#include "wire/detail.hpp"

namespace baozi::broker {

namespace {

void pack_losses(Writer& out, const std::vector<TaskHistory::Loss>& losses) {
  out.array(losses.size());
  for (const auto& loss : losses) {
    out.array(4);
    out.uinteger(loss.number);
    out.uinteger(loss.incarnation);
    out.integer(loss.at_us);
    out.str(loss.reason);
  }
}

std::vector<TaskHistory::Loss> read_losses(Reader& in) {
  std::vector<TaskHistory::Loss> losses;
  for (std::uint32_t n = in.array(); n > 0 && in.ok(); --n) {
    TaskHistory::Loss loss;
    if (in.array() != 4) in.fail("a loss has four fields");
    loss.number = in.uinteger();
    loss.incarnation = in.uinteger();
    loss.at_us = in.integer();
    loss.reason = in.str();
    losses.push_back(std::move(loss));
  }
  return losses;
}

}  // namespace

Bytes pack_row(const Task& task, const TaskTable::Origin& origin) {
  Bytes row;
  row.reserve(64 + task.bytes);
  Writer out{row};
  out.array(2);
  const bool window = task.gate != nullptr && (task.gate->started || task.gate->free_at_us != 0);
  const bool plain = !window && !task.early_there && !task.moved && task.lost == 0 &&
                     task.retries == 0 && !task.marked && task.ending == Ending::none &&
                     task.delay_us == 0 && task.history == nullptr;
  const std::uint32_t fields = task.moved ? 17 : 16;
  out.array(plain ? 2 : fields);  // nearly every row is plain: an origin and its home
  if (origin.id.empty()) {
    out.nil();
  } else {
    out.bin(origin.id);
  }
  out.str(origin.home);
  if (!plain) {
    out.uinteger(task.lost);
    out.uinteger(task.retries);
    out.boolean(task.marked);
    out.uinteger(static_cast<std::uint64_t>(task.ending));
    out.integer(task.eta_us);
    out.integer(task.delay_us);
    out.str(task.history ? std::string_view{task.history->ending_text} : std::string_view{});
    pack_losses(out, task.history ? task.history->losses : std::vector<TaskHistory::Loss>{});
    out.bin(task.history ? BytesView{task.history->carried_record} : BytesView{});
    out.bin(task.history ? BytesView{task.history->carried_follow_ups} : BytesView{});
    out.integer(task.history ? task.history->since_us : 0);
    out.boolean(task.early_there);
    out.boolean(window && task.gate->started);
    out.integer(window ? task.gate->free_at_us : 0);
    if (task.moved) out.boolean(true);
  }
  out.raw(task.raw());
  return row;
}

Result<TaskRowView> unpack_row(BytesView row) {
  Reader in{row};
  TaskRowView view;
  if (in.array() != 2) in.fail("a task row has two fields");
  const std::uint32_t fields = in.array();
  if (fields != 2 && fields != 12 && fields != 16 && fields != 17)
    in.fail("a task row's facts have two, twelve, sixteen or seventeen fields");
  if (!in.try_nil()) view.meta.origin = in.bin();
  view.meta.home = in.str();
  if (fields >= 12) {
    view.meta.lost = static_cast<std::uint32_t>(in.uinteger());
    view.meta.retries = static_cast<std::uint32_t>(in.uinteger());
    view.meta.marked = in.boolean();
    view.meta.ending = static_cast<Ending>(in.uinteger() & 0x0FU);
    view.meta.eta_us = in.integer();
    view.meta.delay_us = in.integer();
    view.meta.ending_text = in.str();
    view.meta.losses = read_losses(in);
    view.meta.carried_record = in.bin();
    view.meta.carried_follow_ups = in.bin();
    if (fields > 12) {
      view.meta.since_us = in.integer();
      view.meta.early_there = in.boolean();
      view.meta.started = in.boolean();
      view.meta.free_at_us = in.integer();
      if (fields > 16) view.meta.moved = in.boolean();
    }
  }
  view.task = wire::detail::read_task(in);
  if (in.ok() && !in.at_end()) in.fail("bytes after the task");
  if (!in.ok()) return unexpected(Errc::store_corrupt, in.error());
  return view;
}

Bytes pack_dead(const DeadLetter& letter) {
  Bytes bytes;
  Writer out{bytes};
  out.array(7);
  out.bin(letter.task);
  out.bin(letter.origin);
  out.str(letter.home);
  out.integer(letter.died_us);
  out.uinteger(letter.retries);
  out.str(letter.reason);
  pack_losses(out, letter.losses);
  return bytes;
}

Result<DeadLetter> unpack_dead(BytesView bytes) {
  Reader in{bytes};
  DeadLetter letter;
  if (in.array() != 7) in.fail("a dead letter has seven fields");
  letter.task = in.bin();
  letter.origin = in.bin();
  letter.home = in.str();
  letter.died_us = in.integer();
  letter.retries = static_cast<std::uint32_t>(in.uinteger());
  letter.reason = in.str();
  letter.losses = read_losses(in);
  if (!in.ok()) return unexpected(Errc::store_corrupt, in.error());
  return letter;
}

Bytes pack_books(const Books& books) {
  Bytes bytes;
  Writer out{bytes};
  out.array(9);
  for (const std::uint64_t value :
       {books.accepted, books.succeeded, books.failed, books.revoked, books.expired, books.dropped,
        books.purged, books.dead, books.dead_dropped}) {
    out.uinteger(value);
  }
  return bytes;
}

Books unpack_books(BytesView bytes) {
  Reader in{bytes};
  Books books;
  if (in.array() != 9) return books;
  for (std::uint64_t* value :
       {&books.accepted, &books.succeeded, &books.failed, &books.revoked, &books.expired,
        &books.dropped, &books.purged, &books.dead, &books.dead_dropped}) {
    *value = in.uinteger();
  }
  return books;
}

Bytes key_bytes(std::uint64_t value) {
  Bytes bytes(8, '\0');
  for (int i = 7; i >= 0; --i, value >>= 8U)
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(value & 0xFFU);
  return bytes;
}

std::uint64_t key_value(BytesView bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = (value << 8U) | static_cast<std::uint8_t>(c);
  return value;
}

}  // namespace baozi::broker
