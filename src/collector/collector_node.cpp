#include "collector/collector_node.hpp"

#include <stdexcept>

#include "actor/listen.hpp"
#include "base/random.hpp"
#include "base/system_clock.hpp"
#include "store/open_store.hpp"

namespace baozi::collector {

namespace {

constexpr int frames_per_turn_max = 256;
constexpr Micros spin_after_traffic{50};

std::unique_ptr<store::ResultStore> open_store(const CollectorConfig& config) {
  store::StoreOptions options;
  options.reserve_bytes = config.reserve.value;
  auto opened = store::open_result_store(config.store, options);
  if (opened) return std::move(*opened);
  if (opened.error().code == Errc::invalid)
    throw base::ConfigError{"--store: " + opened.error().message};
  throw std::runtime_error{opened.error().message};
}

std::vector<std::string> texts(const std::vector<net::Endpoint>& endpoints) {
  std::vector<std::string> all;
  for (const net::Endpoint& endpoint : endpoints) all.push_back(endpoint.to_string());
  return all;
}

}  // namespace

CollectorNode::CollectorNode(CollectorConfig config, const std::string& name)
    : config_{std::move(config)},
      loop_{{.spin = spin_after_traffic}},
      listener_{net::Context::shared(), actor::listen_endpoints(config_.listen, config_.insecure)},
      links_{loop_} {
  CollectorOptions options = config_.core_options(name, texts(listener_.endpoints()));
  options.incarnation = Incarnation{entropy64() >> 1U};
  core_ = std::make_unique<CollectorCore>(options, entropy64() >> 2U);
  store_ = std::make_unique<store::ResultStoreThread>(
      open_store(config_), store::StoreThreadOptions{}, [this] { loop_.wake(); });
  loop_.add(listener_);
}

void CollectorNode::obey(base::NodeContext& program) {
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

void CollectorNode::ask_to_drain() {
  loop_.post([this] { drain(); });
}
void CollectorNode::ask_to_stop() {
  loop_.post([this] { stop_now_ = true; });
}

void CollectorNode::drain() {
  log::info("draining: what was taken is being committed and answered");
  if (program_ != nullptr) program_->stopping();
  core_->drain(base::system_now(), effects_);
}

int CollectorNode::run() {
  for (const net::Endpoint& endpoint : listener_.endpoints())
    log::info("listening on {}", endpoint.to_string());
  log::info("results in {}", config_.store);
  core_->start(base::system_now(), effects_);
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
  log::info("stopped");
  return failed_ ? 1 : 0;
}

void CollectorNode::receive(Now now) {
  for (int i = 0; i < frames_per_turn_max && listener_.try_receive(received_); ++i) {
    if (received_.kind == net::Received::Kind::frame) {
      core_->on_frame(received_.peer, received_.frame, now, effects_);
    } else {
      core_->on_gone(received_.peer, now, effects_);
    }
  }
  links_.receive(
      frames_per_turn_max,
      {.connected = [&](actor::LinkId id) { core_->on_connected(id, now, effects_); },
       .disconnected = [&](actor::LinkId id) { core_->on_disconnected(id, now, effects_); },
       .frame = [&](actor::LinkId id,
                    BytesView frame) { core_->on_frame(id, frame, now, effects_); }});
}

void CollectorNode::count() {
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

void CollectorNode::on_stored(store::Stored& stored, Now now) {
  auto loss = stored.losses.begin();
  for (; stored_upto_ < stored.upto_seq; ++stored_upto_) {
    std::vector<store::Loss> losses;
    for (; loss != stored.losses.end() && loss->seq == stored_upto_ + 1; ++loss) {
      losses.push_back({loss->index, std::move(loss->winner)});
    }
    core_->on_committed(stored_upto_ + 1, std::move(losses), now, effects_);
  }
}

void CollectorNode::take_store_events(Now now) {
  for (store::ResultStoreEvent& event : store_->take_events()) {
    if (auto* stored = std::get_if<store::Stored>(&event)) {
      on_stored(*stored, now);
    } else if (auto* found = std::get_if<store::Found>(&event)) {
      core_->on_found(found->request, std::move(found->rows), now, effects_);
    } else if (const auto* erased = std::get_if<store::Erased>(&event)) {
      core_->on_erased(erased->request, erased->erased, now, effects_);
    } else if (const auto* expired = std::get_if<store::Expired>(&event)) {
      core_->on_expired(expired->sweep, now);
    } else if (const auto* stalled = std::get_if<store::CommitStalled>(&event)) {
      log::error("{}: results wait in memory until there is space", stalled->error.message);
      core_->on_store_stalled();
    } else if (std::holds_alternative<store::CommitResumed>(event)) {
      log::info("commits go on");
      core_->on_store_resumed();
    } else if (const auto* failed = std::get_if<store::CommitFailed>(&event)) {
      log::critical("the store failed, nothing more is answered: {}", failed->error.message);
      failed_ = true;
    } else if (const auto* refused = std::get_if<store::RequestFailed>(&event)) {
      log::error("reading results: {}", refused->error.message);
      core_->on_request_failed(refused->request, now, effects_);
    }
  }
}

void CollectorNode::perform(Now now) {
  if (now.mono >= next_count_) {
    next_count_ = now.mono + Micros{1'000'000};
    count();
  }
  core_->turn(now, effects_);
  for (auto& commit : effects_.commits) store_->commit(commit.seq, std::move(commit.rows));
  for (auto& find : effects_.finds) store_->find(find.request, std::move(find.ids));
  for (auto& erase : effects_.erases) store_->erase(erase.request, std::move(erase.ids));
  for (const auto& expire : effects_.expiries)
    store_->expire(0, expire.finished_before_us, expire.rows_max);
  for (auto& frame : effects_.net.to_peers) {
    listener_.send(frame.peer, std::move(frame.frame));  // `gone` is reported by the listener
  }
  links_.perform(effects_.net);
  effects_.clear();
}

}  // namespace baozi::collector
