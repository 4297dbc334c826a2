// Other brokers: a follow-up whose home is one of them, or a task whose limit counts there, waits
// durably for it and is passed on (delivery.md D27); the outbox itself is actor/peer_outbox.hpp.
#include <algorithm>
#include <utility>

#include "baozi/packing.hpp"
#include "base/rendezvous.hpp"
#include "broker/broker_core.hpp"
#include "wire/home.hpp"
#include "wire/map_writer.hpp"

namespace baozi::broker {

namespace {

Bytes outbox_key(std::uint64_t peer, std::uint64_t sequence) {
  return key_bytes(peer) + key_bytes(sequence);
}

struct LaneRow {
  std::string endpoint;
  actor::PeerOutbox::Lane lane;
};

Bytes pack_lane(const std::string& endpoint, const actor::PeerOutbox::Lane& lane) {
  Bytes bytes;
  Writer out{bytes};
  out.array(4);
  out.str(endpoint);
  out.bin(lane.origin.view());
  out.uinteger(lane.next);
  out.integer(lane.shift);
  return bytes;
}

std::optional<LaneRow> unpack_lane(BytesView bytes) {
  Reader in{bytes};
  LaneRow row;
  if (in.array() != 4) return std::nullopt;
  row.endpoint = in.str();
  const BytesView origin = in.bin();
  row.lane.next = in.uinteger();
  row.lane.shift = in.integer();
  if (!in.ok() || origin.size() != 16 || row.lane.next == 0) return std::nullopt;
  row.lane.origin = Uuid::from_bytes(origin);
  return row;
}

/// Tasks move ahead only as far as the outbox keeps its rows in memory, and leave half of it to
/// follow-ups, whose workers wait. The others wait in their queues, where expiry, purges and
/// revokes find them.
std::uint32_t moves_most(const actor::OutboxLimits& limits) {
  const std::uint64_t half = limits.rows_max / 2 + limits.rows_max % 2;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(std::min<std::uint64_t>(half, limits.memory_rows), 1, UINT32_MAX));
}

/// Nobody was given it, as far as is known. One that may have been, before a restart, is delivered
/// again once the collector knows no result of it: that may be done elsewhere as well as here.
bool is_untouched(const Task& task) {
  return task.generation == task.first_generation && task.lost == 0 && task.retries == 0 &&
         !task.marked && task.adopted == 0 && task.delay_us == 0 && task.history == nullptr;
}

}  // namespace

bool Recovered::count_outbox_row(const store::Record& record) {
  if (record.space != store::Space::outbox || record.key.size() != 16) return false;
  const BytesView key{record.key};
  const std::uint64_t sequence = key_value(key.substr(8));
  Outbox& outbox = outboxes[key_value(key.substr(0, 8))];
  if (outbox.rows++ == 0) outbox.first = sequence;
  outbox.bytes += record.value->size();
  return true;
}

void BrokerCore::recover_peers(const Recovered& recovered, Now now) {
  std::map<std::string, std::pair<std::uint64_t, actor::PeerOutbox::Lane>> known;
  std::uint64_t last = 0;
  for (const store::Record& record : recovered.records) {
    if (record.space != store::Space::peers) continue;
    const std::uint64_t number = key_value(record.key);
    last = std::max(last, number);
    if (auto row = unpack_lane(*record.value)) {
      known[row->endpoint] = {number, row->lane};
    } else {
      ++counters_.corrupt_rows;
    }
  }
  const auto add = [&](const std::string& endpoint, bool reachable, std::uint64_t number,
                       actor::PeerOutbox::Lane lane) {
    if (!rules_.d27_outbox_id_stays) lane.origin = options_.outbox_id;  // the seeded bug
    const auto link = reachable
                          ? std::optional{actor::LinkId{static_cast<std::uint32_t>(peers_.size())}}
                          : std::nullopt;
    peers_.push_back(std::make_unique<Peer>(
        Peer{.number = number,
             .outbox = {endpoint, link, lane, options_.outbox, now, rules_},
             .erased_to = lane.next,
             .held = {},
             .moves = {.most = moves_most(options_.outbox), .of_outbox = true}}));
    Peer& peer = *peers_.back();
    if (const auto found = recovered.outboxes.find(number); found != recovered.outboxes.end()) {
      peer.outbox.restore(found->second.first, found->second.rows, found->second.bytes);
      peer.erased_to = found->second.first;
      note_room(peer);
    }
    return &peer;
  };
  if (options_.brokers.size() > 1) {
    for (const std::string& endpoint : options_.brokers) {
      home_hashes_.push_back(base::key_hash(endpoint));
      if (endpoint == options_.address) {
        homes_.push_back(nullptr);
        continue;
      }
      const auto found = known.find(endpoint);
      homes_.push_back(found != known.end()
                           ? add(endpoint, true, found->second.first, found->second.second)
                           : add(endpoint, true, ++last, {.origin = options_.outbox_id}));
      if (found != known.end()) known.erase(found);
    }
  }
  for (const auto& [endpoint, lane] : known) {
    if (recovered.outboxes.contains(lane.first)) {
      add(endpoint, false, lane.first, lane.second);
    } else {
      note_record(store::Space::peers, key_bytes(lane.first), std::nullopt);
    }
  }
  note_full_outboxes();
}

void BrokerCore::open_peers(BrokerEffects& out) {
  for (const auto& peer : peers_) {
    const actor::PeerOutbox& outbox = peer->outbox;
    if (const auto link = outbox.link_id()) {
      out.net.open_links.push_back({*link, outbox.endpoint()});
    } else {
      out.warnings.push_back(std::to_string(outbox.rows()) + " tasks wait for the broker " +
                             outbox.endpoint() +
                             ", which is not among --brokers: they are kept, and go nowhere "
                             "until it is named there again");
    }
  }
}

BrokerCore::Peer* BrokerCore::home_of(const wire::TaskView& task) const {
  const std::uint64_t hash = wire::home_hash(task);
  return hash == 0 ? nullptr : homes_[base::rendezvous(home_hashes_, hash)];
}

bool BrokerCore::pass_on(const wire::TaskView& task, std::uint32_t origin, Now now) {
  Peer* const peer = home_of(task);
  if (peer == nullptr) return false;
  put_out(*peer, task.raw, origin, now);
  ++counters_.passed_on;
  return true;
}

void BrokerCore::put_out(Peer& peer, BytesView task, std::uint32_t origin, Now now) {
  const TaskTable::Origin& whose = tasks_.origin(origin);
  actor::OutboxRow row{
      .origin = whose.id, .home = whose.home, .task = Bytes{task}, .since_us = micros(now.wall)};
  Bytes packed = actor::pack_outbox_row(row);
  const std::uint64_t sequence = peer.outbox.push(std::move(row), packed.size());
  note_record(store::Space::outbox, outbox_key(peer.number, sequence), std::move(packed));
  outboxes_full_ = outboxes_full_ || peer.outbox.is_full();
  note_room(peer);
  urgent_ = true;  // it leaves only after its commit
}

// ---- limits that count at another broker

std::uint32_t BrokerCore::home_of_limit(std::string_view name) const {
  return homes_.empty()
             ? 0
             : static_cast<std::uint32_t>(base::rendezvous(home_hashes_, base::key_hash(name)));
}

BrokerCore::Peer* BrokerCore::limits_at(const Task& task) {
  if (!rules_.d27_limits_at_home) return nullptr;
  // What came from another broker stays, whatever the two think of limits and of each other, or it
  // might go round for ever. What somebody was given has a story here.
  if (task.moved || task.keyed || !is_untouched(task)) return nullptr;
  const Limiter* limiter = limiter_of_name(task.name());
  if (limiter == nullptr || !limiter->limits()) limiter = limiter_of_queue(task.queue);
  if (limiter == nullptr) return nullptr;
  Peer* const home = homes_[limiter->home];
  if (home == nullptr) return nullptr;
  const auto view = wire::decode_task(task.raw());
  return view && wire::home_hash(*view) == 0 ? home : nullptr;  // a key of its own goes before
}

void BrokerCore::move(Slot slot, Peer& home, Now now) {
  const Task& task = tasks_[slot];
  const bool woken = task.gate != nullptr && task.gate->woken_by == &home.moves;
  if (!home.moves.lets_pass(woken, now.mono)) return park(slot, home.moves);
  put_out(home, task.raw(), task.origin, now);
  ++counters_.moved;
  --books_.accepted;  // it is the other one's now
  remove_task(slot);
}

void BrokerCore::note_room(Peer& peer) {
  const bool full = peer.outbox.is_full() || peer.outbox.bytes() >= options_.outbox.bytes_max / 2;
  Limiter& moves = peer.moves;
  moves.in_flight =
      full ? moves.most
           : static_cast<std::uint32_t>(std::min<std::uint64_t>(peer.outbox.rows(), moves.most));
  if (moves.may_wake(last_now_.mono)) look_again(moves);
}

void BrokerCore::note_full_outboxes() {
  outboxes_full_ = std::any_of(peers_.begin(), peers_.end(), [](const auto& peer) {
    return peer->outbox.is_full() || !peer->held.empty();
  });
}

void BrokerCore::look_after_outboxes(Now now) {
  for (auto& peer : peers_) {
    while (!peer->held.empty()) {
      HeldDone& first = peer->held.front();
      if (peer->outbox.is_full()) {
        // Two brokers that are full of each other's follow-ups would wait for ever.
        const bool long_enough = now.mono - first.since >= options_.queue_patience;
        if (!peer->outbox.is_refused() || !long_enough) break;
        first.entry.waited_long = true;
        ++counters_.done_overdue;
      }
      HeldDone held = std::move(first);
      peer->held.pop_front();
      let_in(std::move(held), now);
    }
  }
  note_full_outboxes();
}

// ---- what the peers say

BrokerCore::Peer* BrokerCore::peer_of(actor::LinkId link) {
  const auto index = static_cast<std::size_t>(link);
  return index < peers_.size() ? peers_[index].get() : nullptr;
}

void BrokerCore::on_connected(actor::LinkId link, Now now, BrokerEffects& out) {
  Peer* const peer = peer_of(link);
  if (peer == nullptr || said_goodbye_) return;
  peer->outbox.on_connected({.role = wire::Role::broker,
                             .name = options_.name,
                             .incarnation = static_cast<std::uint64_t>(options_.incarnation),
                             .software = options_.version,
                             .host = options_.host,
                             .pid = options_.pid},
                            now, out.net);
}

void BrokerCore::on_disconnected(actor::LinkId link, Now now, BrokerEffects& out) {
  if (Peer* const peer = peer_of(link)) peer->outbox.on_disconnected(now, out.net);
}

void BrokerCore::on_frame(actor::LinkId link, BytesView frame, Now now, BrokerEffects& out) {
  Peer* const peer = peer_of(link);
  if (peer == nullptr) return;
  events_.at(now);
  peer->outbox.on_frame(frame, now, out.net);
  take_passed_on(*peer, now);
}

void BrokerCore::take_passed_on(Peer& peer, Now now) {
  for (; peer.erased_to < peer.outbox.first(); ++peer.erased_to)
    note_record(store::Space::outbox, outbox_key(peer.number, peer.erased_to), std::nullopt);
  for (const actor::PeerOutbox::Refused& refused : peer.outbox.take_refused())
    end_refused(peer, refused, now);
  if (peer.outbox.is_lane_dirty()) touch(now);
  note_room(peer);
}

/// Its home will never take it: what a local queue would have dropped is dropped, everything else
/// ends here, through its collector.
void BrokerCore::end_refused(const Peer& peer, const actor::PeerOutbox::Refused& refused, Now now) {
  if (refused.reason == wire::Reason::duplicate || refused.reason == wire::Reason::too_late) {
    ++counters_.duplicate_follow_ups;
    return;
  }
  ++counters_.passed_on_refused;
  const auto view = wire::decode_task(refused.row.task);
  if (!view) {
    ++counters_.corrupt_rows;
    return;
  }
  const Slot slot = accept(*view, tasks_.intern(refused.row.origin, refused.row.home), now);
  if (slot == no_slot || tasks_[slot].stage == Stage::ending) return;
  begin_ending(slot, Ending::rejected,
               "its home, " + peer.outbox.endpoint() + ", refused it: " +
                   (refused.text.empty() ? wire::to_string(refused.reason) : refused.text));
  urgent_ = true;
}

// ---- turns and commits

void BrokerCore::turn_peers(Now now, BrokerEffects& out) {
  for (auto& peer : peers_) {
    peer->outbox.turn(now, out.net);
    const auto wanted = peer->outbox.load();
    if (!wanted) continue;
    const std::uint64_t request = next_request_++;
    outbox_loads_[request] = peer.get();
    out.record_loads.push_back({.request = request,
                                .space = store::Space::outbox,
                                .after = outbox_key(peer->number, wanted->after),
                                .rows_max = wanted->rows_max});
  }
}

void BrokerCore::on_records(std::uint64_t request, std::vector<store::Record>&& records,
                            BrokerEffects& out) {
  const auto found = outbox_loads_.find(request);
  if (found == outbox_loads_.end()) return;
  Peer& peer = *found->second;
  outbox_loads_.erase(found);
  std::vector<std::pair<std::uint64_t, Bytes>> rows;
  for (store::Record& record : records) {
    const BytesView key{record.key};
    if (key.size() != 16 || key_value(key.substr(0, 8)) != peer.number) break;
    rows.emplace_back(key_value(key.substr(8)), *std::move(record.value));
  }
  if (peer.outbox.on_loaded(std::move(rows))) return;
  ++counters_.corrupt_rows;
  out.warnings.push_back("tasks that wait for the broker " + peer.outbox.endpoint() +
                         " cannot be read from the store: none is passed on to it any more");
}

void BrokerCore::close_outboxes() {
  for (auto& peer : peers_) {
    if (peer->outbox.is_lane_dirty())
      open_records_.push_back({store::Space::peers, key_bytes(peer->number),
                               pack_lane(peer->outbox.endpoint(), peer->outbox.lane())});
    peer->outbox.closed(open_);
  }
}

std::optional<MonoTime> BrokerCore::peers_deadline() const {
  std::optional<MonoTime> next;
  const auto sooner = [&](MonoTime at) {
    if (!next || at < *next) next = at;
  };
  for (const auto& peer : peers_) {
    if (const auto due = peer->outbox.next_deadline()) sooner(*due);
    if (!peer->held.empty() && peer->outbox.is_refused())
      sooner(peer->held.front().since + options_.queue_patience);
  }
  return next;
}

std::uint64_t BrokerCore::tasks_for_peers() const {
  std::uint64_t sum = 0;
  for (const auto& peer : peers_) sum += peer->outbox.rows();
  return sum;
}

Bytes BrokerCore::peers_payload(Now now) const {
  Bytes bytes;
  Writer out{bytes};
  out.array(peers_.size());
  for (const auto& peer : peers_) {
    const actor::PeerOutbox& outbox = peer->outbox;
    const actor::PeerOutbox::Counters& counters = outbox.counters();
    wire::MapWriter one;
    one.text("address", outbox.endpoint());
    one.text("name", outbox.peer_name());
    one.text("state", !outbox.link_id()     ? "not in --brokers"
                      : !outbox.is_open()   ? "away"
                      : outbox.is_refused() ? "full"
                                            : "connected");
    one.number("since_us", static_cast<std::uint64_t>((now.mono - outbox.since()).count()));
    one.number("waiting", outbox.rows());
    one.number("bytes", outbox.bytes());
    if (const std::int64_t since = outbox.oldest_us(); since != 0)
      one.number("oldest_us",
                 static_cast<std::uint64_t>(std::max<std::int64_t>(micros(now.wall) - since, 0)));
    one.number("held_done", peer->held.size());
    one.number("to_move", peer->moves.parked.size());
    one.number("sent", counters.sent);
    one.number("confirmed", counters.confirmed);
    one.number("resent", counters.resent);
    one.number("waited", counters.waited);
    one.number("renumbered", counters.renumbered);
    if (!outbox.trouble().empty()) one.text("trouble", outbox.trouble());
    out.raw(one.take());
  }
  return bytes;
}

}  // namespace baozi::broker
