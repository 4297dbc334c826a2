#include "broker/broker_node.hpp"

#include <stdexcept>

#include "actor/listen.hpp"
#include "base/random.hpp"
#include "base/system_clock.hpp"
#include "store/open_store.hpp"

namespace baozi::broker {

namespace {

constexpr int frames_per_turn_max = 256;
constexpr std::size_t records_per_page = 10'000;
constexpr std::size_t outbox_rows_per_page = 64;  // each holds a task
constexpr Micros spin_after_traffic{50};

std::unique_ptr<store::TaskStore> open_store(const BrokerConfig& config) {
  store::StoreOptions options;
  options.cache_kib =
      4 * 1024;  // rows come at one end and go at the other: no more pages are looked at twice
  options.reserve_bytes = config.reserve.value;
  auto opened = store::open_task_store(config.store, options);
  if (opened) return std::move(*opened);
  if (opened.error().code == Errc::invalid)
    throw base::ConfigError{"--store: " + opened.error().message};
  throw std::runtime_error{opened.error().message};
}

template <class T>
T must(Result<T>&& result) {
  if (!result) throw std::runtime_error{result.error().message};
  return std::move(*result);
}

/// What a core needs of its store before it starts.
Recovered recover(store::TaskStore& store) {
  Recovered recovered;
  for (std::size_t i = 0; i < store::space_count; ++i) {
    const auto space = static_cast<store::Space>(i);
    const std::size_t most =
        space == store::Space::outbox ? outbox_rows_per_page : records_per_page;
    Bytes after;
    do {  // in pages: of marks there may be a million
      std::vector<store::Record> page = must(store.records_after(space, after, most));
      after = page.size() == most ? page.back().key : Bytes{};
      for (store::Record& record : page) recovered.add(std::move(record));
    } while (!after.empty());
  }
  recovered.ranges = must(store.count_by_prefix(lane_shift));
  return recovered;
}

}  // namespace

BrokerNode::BrokerNode(BrokerConfig config, const std::string& name)
    : config_{std::move(config)},
      loop_{{.spin = spin_after_traffic}},
      listener_{net::Context::shared(), actor::listen_endpoints(config_.listen, config_.insecure)},
      links_{loop_} {
  auto store = open_store(config_);
  BrokerOptions options = config_.core_options(name);
  options.incarnation = Incarnation{entropy64() >> 1U};
  options.outbox_id = make_uuid7(base::system_now().wall, entropy64(), entropy64());
  options.reserve_bytes = store->reserve_bytes();
  const Recovered recovered = recover(*store);
  // Sessions are numbered from a random place, so that a number of an earlier start is never valid
  // again.
  core_ = std::make_unique<BrokerCore>(options, recovered, (entropy64() >> 2U) | 1U,
                                       base::system_now());
  store_ = std::make_unique<store::TaskStoreThread>(std::move(store), store::StoreThreadOptions{},
                                                    [this] { loop_.wake(); });
  loop_.add(listener_);
}

void BrokerNode::obey(base::NodeContext& program) {
  program_ = &program;
  loop_.watch(program.signals().fd(), [this] {
    switch (program_->signals().asked()) {
      case base::Signals::Asked::nothing: break;
      case base::Signals::Asked::drain: drain(); break;
      case base::Signals::Asked::cold:
      case base::Signals::Asked::stop: stop_now_ = true; break;
    }
  });
}

void BrokerNode::ask_to_drain() {
  loop_.post([this] { drain(); });
}
void BrokerNode::ask_to_stop() {
  loop_.post([this] { stop_now_ = true; });
}

void BrokerNode::drain() {
  log::info("draining: new tasks are refused, what was taken is being committed");
  if (program_ != nullptr) program_->stopping();
  core_->begin_drain(base::system_now());
}

int BrokerNode::run() {
  for (const net::Endpoint& endpoint : listener_.endpoints())
    log::info("listening on {}", endpoint.to_string());
  log::info("{} tasks in {}, epoch {}", core_->open_tasks(), config_.store, core_->epoch());
  perform(base::system_now());
  if (program_ != nullptr) program_->ready();
  while (!stop_now_ && !failed_ && !core_->is_drained()) {
    loop_.wait(core_->next_deadline());
    const Now now = base::system_now();
    receive(now);
    take_store_events(now);
    perform(now);
  }
  store_->stop();
  log::info("stopped: {} tasks remain", core_->open_tasks());
  return failed_ ? 1 : 0;
}

void BrokerNode::receive(Now now) {
  for (int i = 0; i < frames_per_turn_max && listener_.try_receive(received_); ++i) {
    if (received_.kind == net::Received::Kind::frame) {
      core_->on_frame(received_.peer, received_.frame, now, effects_);
    } else {
      core_->on_gone(received_.peer, now);
    }
  }
  if (config_.brokers.empty()) return;
  links_.receive(
      frames_per_turn_max,
      {.connected = [&](actor::LinkId link) { core_->on_connected(link, now, effects_); },
       .disconnected = [&](actor::LinkId link) { core_->on_disconnected(link, now, effects_); },
       .frame = [&](actor::LinkId link,
                    BytesView frame) { core_->on_frame(link, frame, now, effects_); }});
}

void BrokerNode::take_store_events(Now now) {
  for (store::TaskStoreEvent& event : store_->take_events()) {
    if (const auto* persisted = std::get_if<store::Persisted>(&event)) {
      core_->on_persisted(persisted->n_upto, persisted->free_bytes, now, effects_);
    } else if (auto* loaded = std::get_if<store::Loaded>(&event)) {
      core_->on_loaded(loaded->request, std::move(loaded->rows), now, effects_);
    } else if (auto* read = std::get_if<store::RecordsRead>(&event)) {
      core_->on_records(read->request, std::move(read->records), effects_);
    } else if (const auto* stalled = std::get_if<store::CommitStalled>(&event)) {
      log::error("{}", stalled->error.message);
      core_->on_store_full(now, effects_);
    } else if (const auto* failed = std::get_if<store::CommitFailed>(&event)) {
      log::critical("the store failed, nothing more is confirmed: {}", failed->error.message);
      failed_ = true;
    } else if (const auto* refused = std::get_if<store::RequestFailed>(&event)) {
      log::error("reading tasks: {}", refused->error.message);
    } else if (std::holds_alternative<store::CommitResumed>(event)) {
      log::info("commits go on");
    }
  }
}

void BrokerNode::perform(Now now) {
  if (now.mono >= next_count_) {
    next_count_ = now.mono + Micros{1'000'000};
    count();
  }
  core_->turn(now, effects_);
  // The store first: its thread works while we send.
  for (store::TaskBatch& batch : effects_.commits) store_->commit(std::move(batch));
  for (const BrokerEffects::Load& load : effects_.loads) {
    store_->load(load.request, load.from, load.to, load.rows_max, load.bytes_max);
  }
  for (const BrokerEffects::RecordLoad& load : effects_.record_loads)
    store_->records(load.request, load.space, load.after, load.rows_max);
  links_.perform(effects_.net);
  for (actor::NetEffects::ToPeer& frame : effects_.net.to_peers) {
    listener_.send(frame.peer, std::move(frame.frame));  // `gone` is reported by the listener
  }
  for (const std::string& warning : effects_.warnings) log::warning("{}", warning);
  effects_.clear();
}

void BrokerNode::count() {
  const net::Listener::Counters& counters = listener_.counters();
  core_->set_shell_counters({{"connections", listener_.connections()},
                             {"refused_connections", counters.refused_connections},
                             {"failed_handshakes", counters.failed_handshakes},
                             {"silent_connections", counters.silent},
                             {"unfinished_messages", counters.unfinished},
                             {"multipart_messages", counters.dropped_multipart},
                             {"foreign_routing_ids", counters.dropped_foreign},
                             {"overflowed_outboxes", counters.overflows},
                             {"frames_in", counters.frames_in},
                             {"frames_out", counters.frames_out}});
}

}  // namespace baozi::broker
