#include "client/producer_core.hpp"

#include <algorithm>
#include <utility>

#include "base/rendezvous.hpp"

namespace baozi::client {

namespace {
/// What a SUBMIT holds beside its tasks, and then some.
constexpr std::size_t envelope_bytes = 1024;
}  // namespace

ProducerCore::ProducerCore(ProducerOptions options, const Rules& rules)
    : options_{std::move(options)},
      rules_{rules},
      random_{options_.seed},
      ledger_{options_.terms, results_},
      collectors_{results_, rules_} {}

ProducerCore::~ProducerCore() = default;

void ProducerCore::start(Now now, ProducerEffects& out) {
  unreachable_since_ = now.mono;
  for (const std::string& endpoint : options_.brokers) {
    const actor::LinkId id{next_link_++};
    brokers_.push_back(std::make_unique<Broker>(id, endpoint, options_.lane, ledger_, rules_));
    broker_hashes_.push_back(base::key_hash(endpoint));
    out.net.open_links.push_back({id, endpoint});
  }
}

// ---- connections

ProducerCore::Broker* ProducerCore::broker_of(actor::LinkId link) {
  const auto index =
      static_cast<std::size_t>(link);  // brokers were given the first ids, in their order
  return index < brokers_.size() ? brokers_[index].get() : nullptr;
}

ProducerPeer* ProducerCore::peer_of(actor::LinkId link) {
  if (Broker* const broker = broker_of(link)) return broker;
  return collectors_.find(link);
}

void ProducerCore::greet(ProducerPeer& peer, Now now, ProducerEffects& out) {
  const wire::Hello hello{.role = options_.role,
                          .name = options_.name,
                          .incarnation = static_cast<std::uint64_t>(options_.incarnation),
                          .origin = options_.origin.view(),
                          .software = options_.software,
                          .host = options_.host,
                          .pid = options_.pid,
                          .durable_results = options_.durable_results};
  out.net.to_links.push_back({peer.id, peer.link.greet(hello, now)});
}

void ProducerCore::on_connected(actor::LinkId link, Now now, ProducerEffects& out) {
  ProducerPeer* const peer = peer_of(link);
  if (peer == nullptr || closed_) return;
  if (peer->link.state() != actor::Link::State::down) lost(*peer);
  peer->connected = true;
  greet(*peer, now, out);
}

void ProducerCore::on_disconnected(actor::LinkId link, Now, ProducerEffects& out) {
  ProducerPeer* const peer = peer_of(link);
  if (peer != nullptr && peer->connected) lose(*peer, out);
}

/// The session is over and the connection is to be made anew.
void ProducerCore::lose(ProducerPeer& peer, ProducerEffects& out) {
  lost(peer);
  peer.connected = false;
  out.net.reset_links.push_back(peer.id);
}

void ProducerCore::lost(ProducerPeer& peer) {
  ++counters_.lost_sessions;
  peer.link.drop();
  questions_.on_lost(peer);
  if (Broker* const broker = broker_of(peer.id)) {
    broker->lane.on_lost();
    broker->leaving = false;
  } else if (Collector* const collector = collectors_.find(peer.id)) {
    collectors_.on_lost(*collector);
    follows_.on_lost(collector->key);
  }
}

void ProducerCore::tick_links(Now now, ProducerEffects& out) {
  const auto tick = [&](ProducerPeer& peer) {
    std::optional<Bytes> ping;
    if (peer.link.tick(now, ping) == actor::Link::Event::lost) lose(peer, out);
    if (ping) out.net.to_links.push_back({peer.id, *std::move(ping)});
  };
  for (auto& broker : brokers_) tick(*broker);
  for (const auto& collector : collectors_.all()) tick(*collector);
}

void ProducerCore::note_reachability(Now now) {
  const bool reachable = std::any_of(brokers_.begin(), brokers_.end(),
                                     [&](const auto& broker) { return is_usable(*broker, now); });
  if (reachable) {
    unreachable_since_.reset();
  } else if (!unreachable_since_) {
    unreachable_since_ = now.mono;
  }
}

std::string ProducerCore::trouble() const {
  std::string text = "no broker could be reached";
  const char* before = " (";
  for (const auto& broker : brokers_) {
    text += before + broker->endpoint + ": ";
    if (!broker->trouble.empty()) {
      text += broker->trouble;
    } else if (broker->leaving) {
      text += "it is stopping";
    } else {
      text += broker->connected ? "no answer" : "no connection";
    }
    before = ", ";
  }
  return brokers_.empty() ? text : text + ")";
}

// ---- frames

void ProducerCore::on_frame(actor::LinkId link, BytesView bytes, Now now, ProducerEffects& out) {
  ProducerPeer* const peer = peer_of(link);
  if (peer == nullptr || closed_) return;
  wire::OpenFrame frame{.header = {}, .reader = Reader{{}}, .fields = 0};
  switch (peer->link.on_frame(bytes, now, frame)) {
    case actor::Link::Event::nothing: return;
    case actor::Link::Event::lost: return lose(*peer, out);
    case actor::Link::Event::welcome:
      peer->name = peer->link.welcome().name;
      peer->trouble.clear();
      if (Broker* const broker = broker_of(link)) {
        on_broker_open(*broker, now, out);
      } else if (Collector* const collector = collectors_.find(link)) {
        collectors_.on_open(*collector, options_.durable_results, now, out.net);
      }
      return;
    case actor::Link::Event::message: break;
  }
  if (Broker* const broker = broker_of(link)) {
    on_broker_frame(*broker, frame, now, out);
  } else if (Collector* const collector = collectors_.find(link)) {
    on_collector_frame(*collector, frame, now, out);
  }
}

void ProducerCore::on_broker_open(Broker& broker, Now now, ProducerEffects& out) {
  const wire::Welcome& welcome = broker.link.welcome();
  broker.leaving = false;
  collectors_.learn(broker.id, welcome.collectors, next_link_, now, random_, out.net);
  broker.lane.on_welcome(welcome.resume, welcome.epoch, now, out);
}

void ProducerCore::on_broker_frame(Broker& broker, wire::OpenFrame& frame, Now now,
                                   ProducerEffects& out) {
  switch (frame.header.type) {
    case wire::Type::submitted: {
      if (!wire::decode(frame, submitted_)) break;
      const std::size_t before = out.duplicates.size();
      broker.lane.on_submitted(submitted_, random_, now, out);
      for (std::size_t i = before; i < out.duplicates.size(); ++i) {
        const Duplicate& one = out.duplicates[i];
        if (one.awaited) collectors_.watch({&one.first, 1}, options_.durable_results, now, out.net);
      }
      return;
    }
    case wire::Type::collectors: {
      wire::Collectors message;
      if (!wire::decode(frame, message)) break;
      return collectors_.learn(broker.id, message.collectors, next_link_, now, random_, out.net);
    }
    case wire::Type::goodbye: broker.leaving = true; return;
    default: return on_other_frame(broker, frame, now);
  }
  ++counters_.malformed;
}

void ProducerCore::on_collector_frame(Collector& collector, wire::OpenFrame& frame, Now now,
                                      ProducerEffects& out) {
  switch (frame.header.type) {
    case wire::Type::reply: {
      wire::Reply message;
      if (!wire::decode(frame, message)) break;
      if (CollectorSet::on_refused(collector, message.request, now)) return;
      return questions_.on_reply(collector, message);
    }
    case wire::Type::result: return on_results(frame, out);
    case wire::Type::state: return on_states(frame, out);
    case wire::Type::fetched: return on_fetched(collector, frame, out);
    case wire::Type::followed:
      if (wire::decode(frame, followed_)) {
        follows_.on_followed(collector, followed_, out);
      } else {
        ++counters_.malformed;
      }
      return;
    default: return on_other_frame(collector, frame, now);
  }
  ++counters_.malformed;
}

void ProducerCore::on_other_frame(ProducerPeer& peer, wire::OpenFrame& frame, Now now) {
  switch (frame.header.type) {
    case wire::Type::reply: {
      wire::Reply message;
      if (!wire::decode(frame, message)) break;
      return questions_.on_reply(peer, message);
    }
    case wire::Type::error: {
      wire::ErrorMessage message;
      if (!wire::decode(frame, message)) break;
      ++counters_.errors;
      peer.trouble = std::string{wire::to_string(message.code)} + ": " + std::string{message.text};
      if (message.code == wire::ErrorCode::draining) {
        if (Broker* const broker = broker_of(peer.id)) broker->leaving = true;
      }
      if (message.code == wire::ErrorCode::overloaded) {
        if (auto* const collector = collectors_.find(peer.id))
          CollectorSet::on_overloaded(*collector, now);
      }
      return;
    }
    default: return;  // a message for other roles, or of a later version
  }
  ++counters_.malformed;
}

void ProducerCore::on_results(wire::OpenFrame& frame, ProducerEffects& out) {
  if (!wire::decode(frame, result_)) {
    ++counters_.malformed;
    return;
  }
  for (const wire::ResultGroup& group : result_.groups) {
    for (const wire::ResultEntry& entry : group.entries) {
      if (options_.durable_results && (entry.flags & wire::flag::result_durable) == 0) continue;
      complete(entry.record, group.worker, out);
    }
  }
}

void ProducerCore::complete(const wire::RecordView& record, std::string_view worker,
                            ProducerEffects& out) {
  tags_.clear();
  results_.take(record.id, tags_);
  if (tags_.empty()) ++counters_.unawaited_results;
  for (const Tag tag : tags_) {
    ++counters_.results;
    out.results.push_back({tag, record, worker});
  }
}

void ProducerCore::on_states(wire::OpenFrame& frame, ProducerEffects& out) {
  if (!wire::decode(frame, state_)) {
    ++counters_.malformed;
    return;
  }
  for (const wire::StateGroup& group : state_.groups) {
    for (const wire::StateEntry& entry : group.entries) {
      tags_.clear();
      results_.look(entry.id, tags_);
      for (const Tag tag : tags_)
        out.states.push_back({tag, entry.state, entry.meta, group.worker});
    }
  }
}

void ProducerCore::on_fetched(Collector& collector, wire::OpenFrame& frame, ProducerEffects& out) {
  if (!wire::decode(frame, fetched_)) {
    ++counters_.malformed;
    return;
  }
  if (!CollectorSet::on_fetched(collector, fetched_))
    return questions_.on_fetched(collector, fetched_);
  for (const wire::FetchedEntry& entry : fetched_.entries) {
    if (entry.record.empty()) continue;
    if (auto record = wire::decode_record(entry.record)) {
      complete(*record, entry.worker, out);
    } else {
      ++counters_.malformed;
    }
  }
}

// ---- callers

bool ProducerCore::has_room() const {
  return ledger_.open_tasks() < options_.open_tasks_max &&
         ledger_.open_bytes() < options_.open_bytes_max && results_.size() < options_.results_max;
}

void ProducerCore::submit(TaskPile&& pile, Now, ProducerEffects& out) {
  const bool overfull = ledger_.open_tasks() + pile.tasks.size() > 2 * options_.open_tasks_max ||
                        ledger_.open_bytes() + pile.packed.size() > 2 * options_.open_bytes_max ||
                        results_.size() + pile.tasks.size() > 2 * options_.results_max;
  std::size_t at = 0;
  for (const Submission& task : pile.tasks) {
    const BytesView packed = BytesView{pile.packed}.substr(at, task.bytes);
    at += task.bytes;
    ledger_.opened(task);
    if (closed_) {
      ledger_.closed(task, packed, out);
    } else if (overfull) {
      ledger_.not_sent(task, packed, wire::Reason::memory,
                       "too many tasks of this producer are waiting", out);
    } else if (task.wants_result) {
      results_.add_own(id_of(packed), task.tag);
    }
  }
  if (!closed_ && !overfull) put(std::move(pile), false);
}

void ProducerCore::put(TaskPile&& pile, bool front) {
  const auto add = [&](UnsentQueue& queue, TaskPile&& tasks) {
    if (front) {
      queue.push_front(std::move(tasks), ledger_);
    } else {
      queue.push_back(std::move(tasks), ledger_);
    }
  };
  const auto keyed = [](const Submission& task) { return task.key_hash != 0; };
  if (brokers_.empty() || std::none_of(pile.tasks.begin(), pile.tasks.end(), keyed)) {
    return add(unsent_, std::move(pile));
  }
  TaskPile rest;
  std::vector<TaskPile> homes(brokers_.size());
  std::size_t at = 0;
  for (Submission& task : pile.tasks) {
    const BytesView packed = BytesView{pile.packed}.substr(at, task.bytes);
    at += task.bytes;
    TaskPile& to = keyed(task) ? homes[base::rendezvous(broker_hashes_, task.key_hash)] : rest;
    to.add(std::move(task), packed);
  }
  for (std::size_t i = 0; i < homes.size(); ++i) add(brokers_[i]->keyed, std::move(homes[i]));
  add(unsent_, std::move(rest));
}

void ProducerCore::watch(Tag tag, const TaskId& id, Now now, ProducerEffects& out) {
  results_.add_foreign(id, tag);
  collectors_.watch({&id, 1}, options_.durable_results, now, out.net);
}

bool ProducerCore::drop_interest(Tag tag, const TaskId& id) {
  return results_.remove(wire::view_of(id), tag);
}

void ProducerCore::ask(Question question, Now now) { questions_.ask(std::move(question), now); }

// ---- turns

bool ProducerCore::is_usable(const Broker& broker, Now now) const {
  return broker.link.is_open() && !broker.leaving && !broker.link.is_stale(now);
}

/// The live broker with room that has the least to confirm; among equals each in turn.
ProducerCore::Broker* ProducerCore::choose(Now now) {
  Broker* best = nullptr;
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    Broker& broker = *brokers_[(rotation_ + i) % brokers_.size()];
    if (!is_usable(broker, now) || !broker.lane.has_room(now)) continue;
    if (best == nullptr || broker.lane.unconfirmed_bytes() < best->lane.unconfirmed_bytes())
      best = &broker;
  }
  if (best != nullptr) rotation_ = static_cast<std::size_t>(best->id) + 1;
  return best;
}

void ProducerCore::send_due(Broker& broker, Now now, ProducerEffects& out) {
  while (const BrokerLane::Batch* const batch = broker.lane.next_to_send(now)) {
    const wire::PackedSubmit message{.number = batch->number,
                                     .origin = options_.origin.view(),
                                     .home = batch->home,
                                     .flags = batch->flags,
                                     .count = batch->pile.tasks.size(),
                                     .tasks = batch->pile.packed};
    broker.send(message, now, out.net);
  }
}

void ProducerCore::send_batches(Now now, ProducerEffects& out) {
  // What one broker is known not to have may go to another that has room now.
  for (auto& broker : brokers_) {
    const bool stuck = !is_usable(*broker, now) || broker->lane.is_blocked(now);
    if (!stuck || !broker->lane.has_untaken()) continue;
    const bool elsewhere = std::any_of(brokers_.begin(), brokers_.end(), [&](const auto& other) {
      return other != broker && is_usable(*other, now) && other->lane.has_room(now);
    });
    if (!elsewhere) continue;
    TaskPile pile;
    broker->lane.recall(pile);
    put(std::move(pile), true);
  }
  for (auto& broker : brokers_) {
    if (is_usable(*broker, now)) send_due(*broker, now, out);
  }
  for (auto& broker : brokers_) {
    while (is_usable(*broker, now) && broker->lane.has_room(now) &&
           send_batch(*broker, broker->keyed, now, out)) {
    }
  }
  while (!unsent_.empty()) {
    Broker* const broker = choose(now);
    if (broker == nullptr || !send_batch(*broker, unsent_, now, out)) break;
  }
}

bool ProducerCore::send_batch(Broker& broker, UnsentQueue& queue, Now now, ProducerEffects& out) {
  if (queue.empty()) return false;
  const wire::Welcome& welcome = broker.link.welcome();
  const std::size_t frame_max =
      std::max<std::size_t>(welcome.frame_bytes_max, 4 * envelope_bytes) - envelope_bytes;
  TaskPile pile =
      queue.take({.tasks_max = options_.batch_tasks_max,
                  .bytes_max = std::min(options_.batch_bytes_max, frame_max),
                  .task_bytes_max = std::min<std::size_t>(welcome.task_bytes_max, frame_max)},
                 ledger_, now, out);
  if (pile.empty()) return false;
  const bool sync =
      std::any_of(pile.tasks.begin(), pile.tasks.end(), [](const Submission& t) { return t.sync; });
  broker.lane.add(std::move(pile), collectors_.use_home(), sync ? wire::flag::submit_sync : 0);
  send_due(broker, now, out);
  return true;
}

void ProducerCore::turn(Now now, ProducerEffects& out) {
  if (closed_) return;
  last_turn_ = now;
  tick_links(now, out);
  note_reachability(now);
  TaskPile again;
  ledger_.take_due(now, again, out);
  if (!again.empty()) put(std::move(again), true);
  for (auto& broker : brokers_) broker->lane.expire(now, out);
  send_batches(now, out);
  if (!unsent_.empty()) {
    unsent_.expire(now, unreachable_since_,
                   unreachable_since_ ? trouble() : "the brokers did not take it in time", ledger_,
                   out);
  }
  for (auto& broker : brokers_) {
    if (broker->keyed.empty())
      continue;  // they wait for their home, as long as their deadline says
    broker->keyed.expire(now, std::nullopt,
                         "the home of its key, " + broker->endpoint + ", did not take it in time",
                         ledger_, out);
  }
  if (ledger_.has_watched())
    collectors_.watch(ledger_.take_watched(), options_.durable_results, now, out.net);
  collectors_.turn(next_link_, options_.durable_results, now, out.net);
  if (!follows_.empty()) follows_.turn(collectors_.all(), now, out.net);
  if (!questions_.empty()) {
    std::vector<ProducerPeer*> brokers;
    std::vector<ProducerPeer*> collectors;
    for (auto& broker : brokers_) brokers.push_back(broker.get());
    for (const auto& collector : collectors_.all()) collectors.push_back(collector.get());
    questions_.turn(brokers, collectors, now, out);
  }
}

std::optional<MonoTime> ProducerCore::next_deadline() const {
  if (closed_) return std::nullopt;
  std::optional<MonoTime> due;
  const auto consider = [&](std::optional<MonoTime> at) {
    if (at && (!due || *at < *due)) due = at;
  };
  for (const auto& broker : brokers_) {
    consider(broker->link.next_deadline());
    consider(broker->lane.next_deadline(is_usable(*broker, last_turn_)));
    consider(broker->keyed.next_deadline(std::nullopt));
  }
  for (const auto& collector : collectors_.all()) consider(collector->link.next_deadline());
  consider(collectors_.next_deadline());
  consider(ledger_.next_deadline());
  consider(unsent_.next_deadline(unreachable_since_));
  consider(questions_.next_deadline());
  return due;
}

void ProducerCore::close(Now now, ProducerEffects& out) {
  if (closed_) return;
  const auto leave = [&](ProducerPeer& peer) {
    if (peer.link.is_open()) peer.send(wire::Goodbye{.reason = "closed"}, now, out.net);
    peer.link.drop();
    out.net.close_links.push_back(peer.id);
  };
  for (auto& broker : brokers_) {
    broker->lane.close(out);
    broker->keyed.close(ledger_, out);
    leave(*broker);
  }
  for (const auto& collector : collectors_.all()) leave(*collector);
  unsent_.close(ledger_, out);
  ledger_.close_resting(out);
  questions_.close(out);
  follows_.clear();
  results_.take_all(out.given_up);
  closed_ = true;
}

}  // namespace baozi::client
