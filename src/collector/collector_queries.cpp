// Questions: WATCH, FETCH, FORGET, CONTROL; and STATE, the transient words on tasks that have not
// ended.
#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "baozi/packing.hpp"
#include "collector/collector_core.hpp"
#include "collector/collector_send.hpp"

namespace baozi::collector {

namespace {

constexpr std::size_t ids_of_one_find_max = 10'000;
constexpr Micros failed_lookup_pause{1'000'000};

std::vector<TaskId> ids_of(const std::vector<wire::IdView>& views) {
  std::vector<TaskId> ids;
  ids.reserve(views.size());
  for (const wire::IdView& view : views) ids.push_back(view.to_id());
  return ids;
}

wire::TaskState state_of(std::string_view word) {
  if (word == "RECEIVED") return wire::TaskState::received;
  if (word == "RETRY") return wire::TaskState::retry;
  if (word == "PENDING") return wire::TaskState::pending;
  return wire::TaskState::started;  // STARTED, PROGRESS and the task's own words
}

}  // namespace

// A look-up does not search what still waits for its commit: it has that committed first, and the
// store works requests off in order. So there is no index over results on the way in.
bool CollectorCore::look_up(Lookup lookup) {
  if (lookups_waiting_.size() >= options_.lookups_max) {
    ++counters_.overloaded;
    return false;
  }
  lookups_waiting_.push_back(std::move(lookup));
  return true;
}

void CollectorCore::start_lookups(Now now, CollectorEffects& out) {
  const bool finds = !lookups_waiting_.empty() && lookups_asked_.empty() &&
                     (!lookups_after_ || now.mono >= *lookups_after_);
  if (!finds && erases_waiting_.empty()) return;
  commit(now, true, out);
  if (commits_.is_gathering()) return;  // until a commit is through; then the loop turns again
  if (finds) {
    lookups_after_.reset();
    CollectorEffects::Find find;
    std::size_t taken = 0;
    for (; taken < lookups_waiting_.size(); ++taken) {
      const std::vector<TaskId>& ids = lookups_waiting_[taken].ids;
      if (taken > 0 && find.ids.size() + ids.size() > ids_of_one_find_max) break;
      find.ids.insert(find.ids.end(), ids.begin(), ids.end());
    }
    const auto end = lookups_waiting_.begin() + static_cast<std::ptrdiff_t>(taken);
    lookups_asked_.assign(std::make_move_iterator(lookups_waiting_.begin()),
                          std::make_move_iterator(end));
    lookups_waiting_.erase(lookups_waiting_.begin(), end);
    lookup_request_ = find.request = next_request_++;
    out.finds.push_back(std::move(find));
  }
  for (CollectorEffects::Erase& erase : erases_waiting_) out.erases.push_back(std::move(erase));
  erases_waiting_.clear();
}

void CollectorCore::on_found(std::uint64_t request, std::vector<store::ResultRow> rows, Now now,
                             CollectorEffects& out) {
  if (request != lookup_request_ || lookups_asked_.empty()) return;
  RowsById by_id;
  by_id.reserve(rows.size());
  for (const store::ResultRow& row : rows) by_id.emplace(row.id, &row);
  const std::vector<Lookup> lookups = std::exchange(lookups_asked_, {});
  for (const Lookup& lookup : lookups) {
    if (lookup.watch) {
      answer_watch(lookup, by_id);
    } else {
      answer_fetch(lookup, by_id, now, out);
    }
  }
  flush_board(true, out);  // while the rows live
}

void CollectorCore::on_request_failed(std::uint64_t request, Now now, CollectorEffects& out) {
  ++counters_.store_failures;
  if (request == 0) {
    sweeping_ = false;
    next_sweep_ = now.mono + options_.sweep_interval;
    return;
  }
  if (request == lookup_request_ && !lookups_asked_.empty()) {
    lookups_waiting_.insert(lookups_waiting_.begin(),
                            std::make_move_iterator(lookups_asked_.begin()),
                            std::make_move_iterator(lookups_asked_.end()));
    lookups_asked_.clear();
    lookups_after_ = now.mono + failed_lookup_pause;
    return;
  }
  const auto found = forgetting_.find(request);
  if (found == forgetting_.end()) return;
  send(found->second.from,
       wire::Reply{
           found->second.request, static_cast<std::uint64_t>(wire::ErrorCode::overloaded), {}},
       now, out);
  forgetting_.erase(found);
}

bool CollectorCore::on_watch(actor::Session& session, wire::OpenFrame& frame,
                             CollectorEffects& out) {
  wire::Watch watch;
  if (!wire::decode(frame, watch)) return false;
  std::vector<TaskId> ids = ids_of(watch.ids);
  const bool durable = (watch.flags & wire::flag::watch_durable) != 0;
  for (const TaskId& id : ids) {
    if (watches_.watch(id, {session.number, durable})) continue;
    ++counters_.overloaded;
    refuse(session, wire::ErrorCode::overloaded, "too many ids are watched", out);
    return true;
  }
  tell_states(session.number, ids, out);
  if (!look_up({Giver{session.number}, 0, true, std::move(ids)})) {
    refuse(session, wire::ErrorCode::overloaded, "too many questions wait for the store", out);
  }
  return true;
}

void CollectorCore::answer_watch(const Lookup& lookup, const RowsById& rows) {
  for (const TaskId& id : lookup.ids) {
    const auto found = rows.find(id);
    const auto* const watchers = found == rows.end() ? nullptr : watches_.find(id);
    if (watchers == nullptr) continue;
    const store::ResultRow& row = *found->second;
    for (const WatchTable::Watcher& watcher : *watchers) {
      board_.lay(watcher.session, row.origin, row.worker, row.number, row.generation, row.record);
    }
    watches_.shown(id);
  }
}

bool CollectorCore::on_fetch(Giver from, wire::OpenFrame& frame, Now now, CollectorEffects& out) {
  wire::Fetch fetch;
  if (!wire::decode(frame, fetch)) return false;
  ++counters_.fetched;
  if (!look_up({from, fetch.request, false, ids_of(fetch.ids)})) {
    send(from,
         wire::Reply{fetch.request, static_cast<std::uint64_t>(wire::ErrorCode::overloaded), {}},
         now, out);
  }
  return true;
}

void CollectorCore::answer_fetch(const Lookup& lookup, const RowsById& rows, Now now,
                                 CollectorEffects& out) {
  tell_states(static_cast<std::uint64_t>(lookup.from), lookup.ids, out);
  wire::Fetched fetched;
  fetched.request = lookup.request;
  std::size_t bytes = 0;
  for (const TaskId& id : lookup.ids) {
    wire::FetchedEntry entry;
    entry.id = wire::view_of(id);
    if (const auto found = rows.find(id); found != rows.end()) {
      const store::ResultRow& row = *found->second;
      entry.state = static_cast<wire::TaskState>(row.state);
      entry.generation = row.generation;
      entry.number = row.number;
      entry.incarnation = row.incarnation;
      entry.worker = row.worker;
      entry.record = row.record;
      entry.raw_follow_ups = row.followups;
    } else if (const StateCache::Latest* const latest = states_.find(id)) {
      entry.state = state_of(latest->state);
      entry.worker = latest->worker;
    }
    const std::size_t size = entry.record.size() + entry.raw_follow_ups.size() + 64;
    if (bytes > 0 &&
        bytes + size > frame_fill_bytes) {  // the rest follows under the same request number
      send(lookup.from, fetched, now, out);
      fetched.entries.clear();
      bytes = 0;
    }
    fetched.entries.push_back(entry);
    bytes += size;
  }
  send(lookup.from, fetched, now, out);
}

bool CollectorCore::on_forget(Giver from, wire::OpenFrame& frame, Now now, CollectorEffects& out) {
  wire::Forget forget;
  if (!wire::decode(frame, forget)) return false;
  if (forgetting_.size() >= options_.lookups_max) {
    ++counters_.overloaded;
    send(from,
         wire::Reply{forget.request, static_cast<std::uint64_t>(wire::ErrorCode::overloaded), {}},
         now, out);
    return true;
  }
  std::vector<TaskId> ids = ids_of(forget.ids);
  for (const TaskId& id : ids) states_.forget(id);
  const std::uint64_t request = next_request_++;
  forgetting_.emplace(request, Forgetting{from, forget.request});
  erases_waiting_.push_back({request, std::move(ids)});
  return true;
}

void CollectorCore::on_erased(std::uint64_t request, std::size_t erased, Now now,
                              CollectorEffects& out) {
  const auto found = forgetting_.find(request);
  if (found == forgetting_.end()) return;
  counters_.forgotten += erased;
  Bytes payload;
  Writer{payload}.uinteger(erased);
  send(found->second.from, wire::Reply{found->second.request, 0, payload}, now, out);
  forgetting_.erase(found);
}

void CollectorCore::on_expired(store::Sweep sweep, Now now) {
  (cap_.finished_before_us() ? counters_.dropped : counters_.expired) += sweep.erased;
  sweeping_ = false;
  kept_ = sweep.rows;
  cap_.saw(sweep.kept, micros(now.wall));
  if (sweep.end_reached) cap_.end_round(sweep.rows, micros(now.wall));
  // Steps of a round follow each other with room for the commits between them.
  const bool rests = sweep.end_reached && !cap_.finished_before_us();
  next_sweep_ = now.mono + (rests ? options_.sweep_interval : Micros{50'000});
}

bool CollectorCore::on_state(wire::OpenFrame& frame, CollectorEffects& out) {
  wire::StateMessage message;
  if (!wire::decode(frame, message)) return false;
  std::map<std::uint64_t, wire::StateMessage> by_session;
  for (const wire::StateGroup& group : message.groups) {
    const auto& standing = watches_.standing(group.origin);
    for (const auto& watcher : standing) by_session[watcher.session].groups.push_back(group);
    for (const wire::StateEntry& entry : group.entries) {
      ++counters_.states;
      TaskId id = entry.id.to_id();
      if (const auto* const watchers = watches_.has_ids() ? watches_.find(id) : nullptr) {
        for (const WatchTable::Watcher& watcher : *watchers) {
          by_session[watcher.session].groups.push_back({group.origin, group.worker, {entry}});
        }
      }
      states_.tell(
          {std::move(id), std::string{entry.state}, std::string{group.worker}, Bytes{entry.meta}});
    }
  }
  for (const auto& [number, told] : by_session) {
    if (actor::Session* const session = sessions_.find(number)) send(*session, told, out);
  }
  return true;
}

void CollectorCore::tell_states(std::uint64_t session_number, const std::vector<TaskId>& ids,
                                CollectorEffects& out) {
  actor::Session* const session = sessions_.find(session_number);
  if (session == nullptr || states_.size() == 0) return;
  wire::StateMessage message;
  for (const TaskId& id : ids) {
    const StateCache::Latest* const latest = states_.find(id);
    if (latest == nullptr) continue;
    if (message.groups.empty() || message.groups.back().worker != latest->worker) {
      message.groups.push_back({.origin = {}, .worker = latest->worker, .entries = {}});
    }
    message.groups.back().entries.push_back(
        {wire::view_of(latest->id), latest->state, latest->meta});
  }
  if (!message.groups.empty()) send(*session, message, out);
}

bool CollectorCore::on_control(actor::Session& session, wire::OpenFrame& frame, Now now,
                               CollectorEffects& out) {
  wire::Control control;
  if (!wire::decode(frame, control)) return false;
  Bytes payload;
  std::uint64_t code = 0;
  if (control.command == "status") {
    payload = status(now);
  } else if (control.command == "ping") {
    Writer{payload}.str("pong");
  } else {
    code = static_cast<std::uint64_t>(wire::ErrorCode::bad_request);
    Writer{payload}.str("a collector knows the commands status and ping");
  }
  send(session, wire::Reply{control.request, code, payload}, out);
  return true;
}

Bytes CollectorCore::status(Now now) {
  Bytes bytes;
  Writer out{bytes};
  std::uint64_t brokers_open = 0;
  for (const Broker& broker : brokers_) brokers_open += broker.link.is_open() ? 1U : 0U;
  out.map(4);
  out.str("node");
  out.map(9);
  const auto text = [&](const char* name, std::string_view value) {
    out.str(name), out.str(value);
  };
  const auto number = [&](const char* name, std::uint64_t value) {
    out.str(name), out.uinteger(value);
  };
  text("role", "collector");
  text("name", options_.name);
  text("version", options_.version);
  number("pid", options_.pid);
  number("brokers", brokers_.size());
  number("brokers_open", brokers_open);
  out.str("store_full"), out.boolean(store_stalled_);
  out.str("draining"), out.boolean(draining_);
  number("watched_ids", watches_.ids());

  // Not books: a collector keeps what is told to it, for as long as it is told to.
  out.str("results");
  out.map(8);
  number("taken", counters_.results);
  number("succeeded", counters_.succeeded);
  number("failed", counters_.failed);
  number("revoked", counters_.revoked);
  number("committed", counters_.committed);
  number("kept", kept_);
  number("waiting", commits_.rows());
  number("waiting_bytes", commits_.bytes());

  out.str("peers");
  out.array(sessions_.size());
  sessions_.for_each([&](actor::Session& session) {
    out.map(4);
    text("role", wire::to_string(session.role));
    text("name", session.name);
    number("session", session.number);
    number("silent_us", static_cast<std::uint64_t>((now.mono - session.last_heard).count()));
  });

  const actor::SessionTable::Counters& sessions = sessions_.counters();
  const std::pair<const char*, std::uint64_t> all[] = {
      {"lost", counters_.lost},
      {"refused", counters_.refused},
      {"turned_away", counters_.turned_away},
      {"pushed", counters_.pushed},
      {"pushed_durable", counters_.pushed_durable},
      {"states", counters_.states},
      {"fetched", counters_.fetched},
      {"forgotten", counters_.forgotten},
      {"expired", counters_.expired},
      {"dropped", counters_.dropped},
      {"store_stalls", counters_.stalls},
      {"events", counters_.events},
      {"events_lost", counters_.events_lost},
      {"events_kept", history_.events()},
      {"events_bytes", history_.bytes()},
      {"events_oldest", history_.oldest()},
      {"events_next", history_.next()},
      {"followers", followers_.size()},
      {"followed", counters_.followed},
      {"not_allowed", counters_.not_allowed},
      {"out_of_order", counters_.out_of_order},
      {"bad_messages", counters_.malformed},
      {"malformed_frames", sessions.malformed},
      {"too_large_frames", sessions.too_large},
      {"unknown_versions", sessions.unknown_version},
      {"unknown_types", sessions.unknown_type},
      {"frames_without_session", sessions.no_session},
      {"duplicate_frames", sessions.duplicates},
      {"gaps", sessions.gaps},
      {"old_hellos", sessions.old_hellos},
      {"overloaded", counters_.overloaded + sessions.overloaded},
      {"silent_peers", sessions.expired},
      {"slept", sessions.slept},
  };
  out.str("counters");
  out.map(std::size(all) + shell_counters_.size());
  for (const auto& [name, value] : all) number(name, value);
  for (const auto& [name, value] : shell_counters_) number(name.c_str(), value);
  return bytes;
}

}  // namespace baozi::collector
