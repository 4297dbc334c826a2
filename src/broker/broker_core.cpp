#include "broker/broker_core.hpp"

#include <algorithm>

#include "baozi/packing.hpp"

namespace baozi::broker {

namespace {

std::uint32_t next_epoch(const Recovered& recovered, const Rules& rules) {
  if (!rules.d13_numbers_never_repeat) return 1;
  std::uint64_t last = 0;
  for (const store::Record& record : recovered.records) {
    if (record.space == store::Space::epochs) last = std::max(last, key_value(record.key));
  }
  return static_cast<std::uint32_t>(last + 1);
}

constexpr std::size_t epochs_kept = 1'000;

}  // namespace

BrokerCore::BrokerCore(const BrokerOptions& options, const Recovered& recovered,
                       std::uint64_t session_seed, Now now, const Rules& rules)
    : options_{options},
      rules_{rules},
      epoch_{next_epoch(recovered, rules)},
      started_{now.mono},
      sessions_{{options.heartbeats, options.sessions_max}, session_seed, rules},
      tasks_{epoch_},
      queues_{options_},
      events_{options.events},
      task_events_{options.task_events},
      once_{options.once_max},
      revocations_{options.revocations_max},
      questions_{
          {.questions_max = options.questions_max, .frame_bytes_max = options.frame_bytes_max}} {
  const auto limited = [](const QueueOptions& queue) {
    return queue.concurrency_limit != 0 || queue.interval_us != 0;
  };
  limits_on_ = limited(options_.queue_defaults) ||
               std::any_of(options_.queues.begin(), options_.queues.end(),
                           [&](const auto& queue) { return limited(queue.second); });
  recover(recovered, now);
}

BrokerCore::~BrokerCore() = default;

void BrokerCore::recover(const Recovered& recovered, Now now) {
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> queue_facts;  // timed, bytes
  for (const store::Record& record : recovered.records) {
    const BytesView value = *record.value;
    Reader in{value};
    switch (record.space) {
      case store::Space::epochs: last_of_epoch_[key_value(record.key)] = key_value(value); break;
      case store::Space::queues: {
        const auto number = static_cast<std::uint32_t>(key_value(record.key));
        const std::uint32_t fields = in.array();
        queues_.restore(number, in.str());
        const std::uint64_t timed = in.uinteger();
        queue_facts[number] = {timed, in.uinteger()};
        if (fields > 3) queues_[number].paused = in.boolean();
        if (fields > 4) queues_[number].purged_before = in.uinteger();
        break;
      }
      case store::Space::producers: {
        auto producer = std::make_unique<Producer>();
        producer->id = Uuid::from_bytes(record.key);
        const std::uint32_t fields = in.array();
        producer->accepted = producer->committed = in.uinteger();
        producer->used_us = in.integer();
        producer->known = true;
        if (fields > 2) producer->of_broker = in.boolean();
        producers_[producer->id] = std::move(producer);
        break;
      }
      case store::Space::roster: roster_.insert(key_value(record.key)); break;
      case store::Space::dead:
        if (auto letter = unpack_dead(value)) {
          dead_bytes_ += letter->task.size();
          dead_.emplace(static_cast<std::int64_t>(key_value(record.key)), std::move(*letter));
        } else {
          ++counters_.corrupt_rows;
        }
        break;
      case store::Space::meta:
        if (record.key == "books") books_ = unpack_books(value);
        if (record.key == "sequence") sequence_ = key_value(value);
        if (record.key == "clock") once_forgot_us_ = static_cast<std::int64_t>(key_value(value));
        break;
      case store::Space::marks:
        if (!revocations_.restore(record.key, value)) ++counters_.corrupt_rows;
        break;
      case store::Space::peers:
      case store::Space::outbox: break;  // recover_peers
    }
  }
  for (const OnceMark& mark : recovered.once) once_.add(mark);
  std::uint64_t rows = 0;
  for (const store::PrefixCount& range : recovered.ranges) {
    rows += range.rows;
    if (range.prefix == keyed_lane) {
      keyed_on_disk_ += range.rows;
      keys_loading_ = true;
      continue;
    }
    if (range.prefix < 0) {
      scheduled_on_disk_ += range.rows;
      schedule_disk_from_ = INT64_MIN;
      continue;
    }
    const auto number = static_cast<std::uint32_t>(range.prefix / 10);
    const auto priority = static_cast<std::size_t>(9 - range.prefix % 10);
    if (number >= queues_.size() || queues_[number].name.empty()) {
      queues_.restore(number, "recovered." + std::to_string(number));
      ++counters_.books_mismatch;
    }
    Queue& queue = queues_[number];
    queue.lanes[priority].on_disk = range.rows;
    queue.lanes[priority].disk_from = range.key_min;
    queue.ready += range.rows;
    paged_queues_.insert(number);
    if (!queue_facts.contains(number)) queue.bytes += range.bytes;
  }
  queues_.finish_restore();
  for (const auto& [number, facts] : queue_facts) {
    queues_[number].timed = queues_[number].scheduled_on_disk = facts.first;
    queues_[number].bytes = facts.second;
  }
  if (books_.accepted != books_.ended() + rows) {  // D32: what the rows say wins, and it is counted
    ++counters_.books_mismatch;
    books_.accepted = books_.ended() + rows;
  }
  committed_books_ = books_;
  old_sequence_end_ = sequence_;
  sequence_reserved_ = sequence_;
  for (auto it = last_of_epoch_.begin(); last_of_epoch_.size() > epochs_kept;
       it = last_of_epoch_.erase(it)) {
    note_record(store::Space::epochs, key_bytes(it->first), std::nullopt);
  }
  if (rules_.d14_hold_after_restart && !roster_.empty()) {
    holding_ = true;
    roster_awaited_ = roster_;
  }
  next_once_purge_ = now.mono + options_.once_purge_every;
  last_now_ = now;
  note_crowds();
  recover_peers(recovered, now);
  touch(now);  // the first commit makes this epoch durable before any of its numbers leaves
  urgent_ = true;
}

void BrokerCore::on_frame(actor::PeerKey peer, BytesView frame, Now now, BrokerEffects& out) {
  events_.at(now);
  sessions_.on_frame(peer, frame, now, received_);
  switch (received_.event) {
    case actor::SessionTable::Event::nothing: break;
    case actor::SessionTable::Event::answer:
      out.net.to_peers.push_back({peer, std::move(received_.reply)});
      break;
    case actor::SessionTable::Event::ended:
      out.net.to_peers.push_back({peer, std::move(received_.reply)});
      session_ended(received_.closed, now);
      break;
    case actor::SessionTable::Event::hello: on_hello(peer, received_.hello, now, out); break;
    case actor::SessionTable::Event::message: dispatch_message(received_, now, out); break;
  }
}

void BrokerCore::on_gone(actor::PeerKey peer, Now now) {
  if (const actor::Session* session = sessions_.find(peer)) {
    const actor::Session copy = *session;
    sessions_.close(copy.number);
    session_ended(copy, now);
  }
}

void BrokerCore::refuse(actor::Session& session, wire::ErrorCode code, std::string_view text,
                        BrokerEffects& out, std::uint64_t about) {
  out.net.to_peers.push_back(
      {session.peer, wire::encode(session.number, 0,
                                  wire::ErrorMessage{.code = code, .text = text, .about = about})});
}

void BrokerCore::dispatch_message(actor::SessionTable::Received& received, Now now,
                                  BrokerEffects& out) {
  actor::Session& session = *received.session;
  wire::OpenFrame& frame = received.frame;
  const wire::Role role = session.role;
  Worker* const worker = role == wire::Role::worker ? worker_of_session(session) : nullptr;
  const auto collector =
      role == wire::Role::collector ? collectors_.find(session.name) : collectors_.end();
  const bool collects =
      collector != collectors_.end() && collector->second.session == session.number;
  // A message that does not parse ends nothing: it is counted, answered and forgotten.
  const auto parsed = [&](const Result<void>& result) {
    if (result) return true;
    ++counters_.bad_messages;
    refuse(session, wire::ErrorCode::malformed,
           std::string{wire::to_string(frame.header.type)} + ": " + result.error().message, out,
           frame.header.seq);
    return false;
  };
  const auto forbidden = [&] {
    ++counters_.not_allowed;
    refuse(session, wire::ErrorCode::not_allowed,
           std::string{"a "} + wire::to_string(role) + " may not send " +
               wire::to_string(frame.header.type),
           out);
  };
  switch (frame.header.type) {
    case wire::Type::ping: send(session, wire::Pong{}, out); return;
    case wire::Type::pong: return;
    case wire::Type::goodbye: {
      const actor::Session copy = session;
      if (worker != nullptr) worker->goodbye = true;
      sessions_.close(copy.number);
      session_ended(copy, now);
      return;
    }
    case wire::Type::submit:
      if (role == wire::Role::worker || role == wire::Role::collector) return forbidden();
      if (parsed(wire::decode(frame, submit_))) on_submit(session, submit_, now, out);
      return;
    case wire::Type::credit: {
      wire::Credit credit;
      if (worker == nullptr) return forbidden();
      if (parsed(wire::decode(frame, credit))) on_credit(*worker, credit);
      return;
    }
    case wire::Type::done:
      if (worker == nullptr) return forbidden();
      if (parsed(wire::decode(frame, done_))) on_done(*worker, done_, now);
      return;
    case wire::Type::nack:
      if (worker == nullptr) return forbidden();
      if (parsed(wire::decode(frame, nack_))) on_nack(*worker, nack_, now);
      return;
    case wire::Type::queues: {
      wire::Queues queues;
      if (worker == nullptr) return forbidden();
      if (parsed(wire::decode(frame, queues))) consume(*worker, queues.names, queues.excluded);
      return;
    }
    case wire::Type::tasks: {
      wire::Tasks tasks;
      if (worker == nullptr) return forbidden();
      if (!parsed(wire::decode(frame, tasks))) return;
      worker->early = {tasks.early.begin(), tasks.early.end()};
      set_limits(tasks.limits);
      return;
    }
    case wire::Type::reply: {
      wire::Reply reply;
      if (worker == nullptr) return forbidden();
      if (parsed(wire::decode(frame, reply))) questions_.on_reply(session.number, reply);
      return;
    }
    case wire::Type::stored: {
      wire::Stored stored;
      if (!collects) return forbidden();
      if (parsed(wire::decode(frame, stored))) on_stored(collector->second, stored, now, out);
      return;
    }
    case wire::Type::events_ok: {
      wire::EventsOk events_ok;
      if (!collects) return forbidden();
      if (parsed(wire::decode(frame, events_ok))) on_events_ok(collector->second, events_ok);
      return;
    }
    case wire::Type::fetched: {
      wire::Fetched fetched;
      if (!collects) return forbidden();
      if (parsed(wire::decode(frame, fetched))) on_fetched(fetched, now);
      return;
    }
    case wire::Type::revoke: {
      wire::Revoke revoke;
      if (role == wire::Role::worker || role == wire::Role::collector) return forbidden();
      if (parsed(wire::decode(frame, revoke))) on_revoke(session, revoke, now, out);
      return;
    }
    case wire::Type::control: {
      wire::Control control;
      if (role == wire::Role::worker || role == wire::Role::collector) return forbidden();
      if (parsed(wire::decode(frame, control))) on_control(session, control, now, out);
      return;
    }
    default: return forbidden();
  }
}

void BrokerCore::on_hello(actor::PeerKey peer, const wire::Hello& hello, Now now,
                          BrokerEffects& out) {
  if (draining_) {
    out.net.to_peers.push_back(
        {peer, wire::encode(0, 0,
                            wire::ErrorMessage{.code = wire::ErrorCode::draining,
                                               .text = "this broker is stopping"})});
    return;
  }
  std::vector<actor::Session> ended;
  actor::Session& session = sessions_.open(peer, hello, now, ended);
  for (const actor::Session& old : ended) session_ended(old, now);
  Producer* producer = nullptr;
  switch (hello.role) {
    case wire::Role::worker: {
      Worker& worker = worker_of(hello, now);
      worker.session = session.number;
      send_welcome(session, hello, nullptr, out);
      take_holds(worker, hello, now, out);
      questions_.on_worker(hello.incarnation, session.number);
      if (!crowds_.empty()) {
        if (const auto full = full_queues(); !full.empty()) tell_full_queues(session, full, out);
      }
      return;
    }
    case wire::Role::collector: {
      Collector& collector = collectors_[session.name];
      collector_away(collector);
      collector.name = session.name;
      collector.endpoints.assign(hello.endpoints.begin(), hello.endpoints.end());
      collector.session = session.number;
      collector.gets_events = false;
      collectors_changed_ = true;
      break;
    }
    default:
      if (!hello.origin.empty()) {
        producer = &producer_of(Uuid::from_bytes(hello.origin));
        producer->session = session.number;
        producer->of_broker = hello.role == wire::Role::broker;
        session.owner = producer;
      }
      break;
  }
  send_welcome(session, hello, producer, out);
}

void BrokerCore::send_welcome(actor::Session& session, const wire::Hello& hello,
                              const Producer* producer, BrokerEffects& out) {
  wire::Welcome welcome;
  welcome.nonce = hello.nonce;
  welcome.name = options_.name;
  welcome.incarnation = static_cast<std::uint64_t>(options_.incarnation);
  welcome.epoch = epoch_;
  welcome.heartbeat_us = options_.heartbeats.interval_us;
  welcome.liveness_us = options_.heartbeats.liveness_us;
  welcome.frame_bytes_max = options_.frame_bytes_max;
  welcome.task_bytes_max = options_.task_bytes_max;
  welcome.collectors = collector_list();
  if (producer != nullptr) {
    welcome.resume = wire::ProducerResume{.known = producer->known || producer->accepted > 0,
                                          .accepted = producer->accepted,
                                          .committed = producer->committed};
  }
  out.net.to_peers.push_back({session.peer, wire::encode(session.number, 0, welcome)});
}

void BrokerCore::session_ended(const actor::Session& session, Now now) {
  questions_.on_session_ended(session.number);
  switch (session.role) {
    case wire::Role::worker:
      if (Worker* worker = worker_of_session(session)) {
        worker->session = 0;
        worker->last_heard = session.last_heard;
        worker->answers.clear();
        worker->held.clear();
        worker->answered = 0;
        worker->outgoing.clear();
        worker->entries = 0;
        if (held_count_ != 0) forget_held(*worker);
        if (worker->goodbye) lose_worker(*worker, "", now);
      }
      break;
    case wire::Role::collector:
      if (const auto found = collectors_.find(session.name);
          found != collectors_.end() && found->second.session == session.number) {
        collector_away(found->second);
        collectors_.erase(found);
        collectors_changed_ = true;
      }
      break;
    default:
      if (auto* const producer = static_cast<Producer*>(session.owner);
          producer != nullptr && producer->session == session.number) {
        producer->session = 0;
      }
      break;
  }
}

void BrokerCore::turn(Now now, BrokerEffects& out) {
  if (first_turn_) {
    first_turn_ = false;
    if (!peers_.empty()) open_peers(out);
    if (holding_)
      holding_until_ =
          now.mono + Micros{static_cast<std::int64_t>(options_.heartbeats.liveness_us)};
  }
  last_now_ = now;
  events_.at(now);
  const std::uint64_t slept_before = sessions_.counters().slept;
  std::vector<actor::Session> ended;
  const Micros deaf = sessions_.expire(now, ended);
  if (deaf > Micros{0}) {  // workers that are away could not tell us that they are back
    for (auto& worker : workers_) {
      if (worker != nullptr && worker->session == 0)
        worker->last_heard = std::min(worker->last_heard + deaf, now.mono);
    }
    if (holding_until_) *holding_until_ += deaf;
  }
  for (const actor::Session& session : ended) session_ended(session, now);
  if (sessions_.counters().slept != slept_before) {
    // We slept, not they: the time is not held against the workers (D2), nor against those still
    // awaited.
    for (auto& worker : workers_) {
      if (worker != nullptr) worker->last_heard = now.mono;
    }
    if (holding_until_)
      holding_until_ =
          now.mono + Micros{static_cast<std::int64_t>(options_.heartbeats.liveness_us)};
  }
  leave_memory();
  load_keyed(out);
  look_for_lost(now);
  end_holding(now);
  if (!purges_resumed_ && !holding_) resume_purges();
  wake_scheduled(now);
  check_expiry(now);
  wake_limits(now);
  if (!crowds_.empty()) look_after_crowds(now);
  if (outboxes_full_) look_after_outboxes(now);
  if (full_queues_changed_) tell_full_queues(out);
  if (queues_.has_new_labelled()) serve_new_queues();
  page_in(out);
  deliver_ready(now);
  seek_orphans(now);
  run_sweep(out);
  send_endings(now, out);
  send_asks(out);
  finish_revokes(out);
  flush_deliveries(now, out);
  send_revokes(out);
  carry_questions(now, out);
  if (collectors_changed_) announce_collectors(out);
  if (now.mono >= next_housekeeping_) {
    next_housekeeping_ = now.mono + Micros{1'000'000};
    expire_producers(now);
    expire_revocations(now);
    trim_dead();
    // Only a commit tells how much room there is, and without new tasks nothing else may ask for
    // one.
    if (free_bytes_ < options_.reserve_bytes && !store_full_ && in_flight_ == 0) touch(now);
  }
  purge_once(now);
  if (!peers_.empty()) turn_peers(now, out);
  if (answers_due_) answer_committed(now, out);
  answers_due_ = false;
  commit_if_due(now, out);
  flush_events(false, now, out);
  if (draining_ && !said_goodbye_ && !open_dirty_ && in_flight_ == 0) {
    said_goodbye_ = true;
    if (options_.event_heartbeat > Micros{0}) tell_broker(wire::EventType::broker_offline);
    flush_events(true, now, out);
    sessions_.for_each(
        [&](actor::Session& session) { send(session, wire::Goodbye{.reason = "draining"}, out); });
    for (auto& peer : peers_) peer->outbox.close(now, out.net);
  }
}

std::optional<MonoTime> BrokerCore::next_deadline() const {
  MonoTime next =
      next_housekeeping_;  // at most a second, so a wall clock that jumps is soon noticed
  const auto sooner = [&](MonoTime at) { next = std::min(next, at); };
  const auto wall = [&](std::int64_t at_us) {
    sooner(last_now_.mono + Micros{at_us - micros(last_now_.wall)});
  };
  if (open_dirty_ && in_flight_ == 0) {
    sooner(urgent_ ? last_now_.mono : open_since_ + Micros{options_.commit_delay_us});
  }
  // What is due but has to wait for something else wakes nobody: that something brings the turn.
  if (!schedule_.empty() && !holding_ &&
      !is_crowded(queues_[tasks_[schedule_.begin()->second].queue])) {
    wall(schedule_.begin()->first.first);
  }
  if (!expiries_.empty() && may_end_more()) wall(expiries_.begin()->first);
  if (const auto retry = holding_ ? retries_.end()
                                  : std::find_if(retries_.begin(), retries_.end(),
                                                 [this](const auto& entry) {
                                                   return !alive(entry.second) ||
                                                          is_committed(tasks_[entry.second.slot]);
                                                 });
      retry != retries_.end()) {
    sooner(retry->first);
  }
  const auto silence = [&](MonoTime at) {
    sooner(std::min(at, last_now_.mono + sessions_.look_every()));
  };
  // Past its time the holding waits for rows that are being read: they bring the turn.
  if (holding_until_ && last_now_.mono < *holding_until_) silence(*holding_until_);
  if (limits_on_) {
    if (const auto turn = next_turn()) sooner(*turn);
  }
  for (const auto& worker : workers_) {
    if (worker != nullptr && worker->session == 0) {
      silence(worker->last_heard +
              Micros{static_cast<std::int64_t>(options_.heartbeats.liveness_us)});
    }
  }
  sooner(next_crowd_look_);
  if (const auto sessions = sessions_.next_deadline()) sooner(*sessions);
  if (const auto peers = peers_deadline()) sooner(*peers);
  if (const auto events = events_deadline()) sooner(*events);
  if (const auto questions = questions_.next_deadline()) sooner(*questions);
  return next;
}

void BrokerCore::begin_drain(Now now) {
  draining_ = true;
  touch(now);
  urgent_ = true;
  // A worker that is away may be dead, and the next start would not know what it had: what it does
  // not report then counts as lost (D16).
  for (const auto& worker : workers_) {
    if (worker == nullptr || worker->session != 0) continue;
    for (Slot slot = worker->leases; slot != no_slot; slot = tasks_[slot].next) {
      tasks_[slot].marked = true;
      note_update(slot);
    }
  }
}

bool BrokerCore::is_drained() const { return draining_ && said_goodbye_; }

std::uint64_t BrokerCore::open_tasks() const {
  return tasks_.size() + [this] {
    std::uint64_t on_disk = scheduled_on_disk_ + keyed_on_disk_;
    std::uint64_t both = 0;  // tasks in stage `paged` are in memory and counted as on disk
    for (const std::uint32_t number : paged_queues_) {
      for (const Lane& lane : const_cast<QueueTable&>(queues_)[number].lanes)
        on_disk += lane.on_disk;
    }
    for (const Waiting& waiting : leave_memory_) {
      if (alive(waiting.task) && tasks_[waiting.task.slot].stage == Stage::paged) ++both;
    }
    return on_disk - both;
  }();
}

std::uint64_t BrokerCore::tasks_in_queues() const {
  std::uint64_t sum = keyed_on_disk_;
  for (std::uint32_t number = 0; number < queues_.size(); ++number)
    sum += queues_[number].tasks() + queues_[number].ending;
  return sum;
}

}  // namespace baozi::broker
