/// \file raw_producer.hpp
/// A producer made of the codec and sockets alone, for tests of nodes that must not depend on the
/// client: submits tasks to one broker, and gathers what its collectors push. Threading: the test's
/// thread.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "actor/link.hpp"
#include "actor/link_sockets.hpp"
#include "base/random.hpp"
#include "base/system_clock.hpp"
#include "net/loop.hpp"
#include "wire/codec.hpp"

namespace baozi::test {

class RawProducer {
 public:
  struct Result {
    wire::TaskState state{};
    Bytes body;
    std::string worker;
    int pushed = 0;        ///< times that a result of this id came
    bool durable = false;  ///< one of them was marked so
  };

  /// Waits until the broker and a collector that it lists have said welcome.
  explicit RawProducer(const std::string& broker) : sockets_{loop_} {
    origin_ = make_uuid7(base::wall_now(), entropy64(), entropy64());
    actor::NetEffects effects;
    effects.open_links.push_back({actor::LinkId{0}, broker});
    sockets_.perform(effects);
    if (!pump([&] { return links_[0].is_open() && collector_is_open(); })) {
      throw std::runtime_error{"no broker, or no collector, said welcome"};
    }
  }

  [[nodiscard]] TaskId new_id() const {
    return TaskId{make_uuid7(base::wall_now(), entropy64(), entropy64())};
  }
  /// Submits `[id, name, nil, options, body]` in one batch.
  void submit(const std::vector<std::pair<TaskId, Bytes>>& tasks) {
    std::vector<wire::TaskView> views;
    for (const auto& [id, task] : tasks) {
      views.emplace_back().raw = task;
      ids_.push_back(id);
    }
    wire::Submit message;
    message.number = ++submitted_;
    message.origin = origin_.view();
    message.home = home_;
    message.flags = wire::flag::submit_sync;
    message.tasks = std::move(views);
    send(0, links_[0].frame(message, base::system_now()));
  }
  /// A task with packed `[args, kwargs]`.
  static std::pair<TaskId, Bytes> task(const TaskId& id, std::string_view name, BytesView body,
                                       BytesView options = {}) {
    Bytes bytes;
    Writer out{bytes};
    wire::pack_task(out, wire::view_of(id), name, {}, options, body);
    return {id, bytes};
  }

  /// Lets the network work until `done` says so; false when it did not within the time.
  bool pump(const std::function<bool()>& done,
            std::chrono::milliseconds within = std::chrono::seconds{20}) {
    const MonoTime end = base::mono_now() + within;
    while (!done()) {
      if (base::mono_now() >= end) return false;
      loop_.wait(std::min(end, base::mono_now() + Micros{50'000}));
      turn();
    }
    return true;
  }
  /// Until every task that was submitted has a result.
  bool wait_for_all(std::chrono::milliseconds within = std::chrono::seconds{20}) {
    return pump([&] { return results_.size() >= ids_.size(); }, within);
  }
  [[nodiscard]] const std::map<TaskId, Result>& results() const { return results_; }
  /// How often a state of that name was reported: "STARTED" of tasks with option 26.
  [[nodiscard]] int reported(const std::string& state) const {
    const auto found = states_.find(state);
    return found == states_.end() ? 0 : found->second;
  }
  /// How many tasks reported it themselves, or had it reported of them.
  [[nodiscard]] int tasks_reported(const std::string& state) const {
    const auto found = tellers_.find(state);
    return found == tellers_.end() ? 0 : static_cast<int>(found->second.size());
  }
  [[nodiscard]] bool all_confirmed() const { return confirmed_ == submitted_; }
  [[nodiscard]] const std::vector<TaskId>& ids() const { return ids_; }

 private:
  [[nodiscard]] bool collector_is_open() const {
    for (const auto& [link, state] : links_) {
      if (link > 0 && state.is_open()) return true;
    }
    return false;
  }
  void send(std::uint32_t link, Bytes frame) {
    actor::NetEffects effects;
    effects.to_links.push_back({actor::LinkId{link}, std::move(frame)});
    sockets_.perform(effects);
  }
  void greet(std::uint32_t link) {
    wire::Hello hello;
    hello.role = wire::Role::producer;
    hello.name = "test";
    hello.incarnation = incarnation_;
    hello.origin = origin_.view();
    hello.durable_results = true;
    send(link, links_[link].greet(std::move(hello), base::system_now()));
  }
  /// What was pushed while we were away was not kept (protocol.md section 8).
  void watch(std::uint32_t link) {
    wire::Watch message;
    const auto say = [&] {
      if (message.ids.empty()) return;
      send(link, links_[link].frame(message, base::system_now()));
      message.ids.clear();
    };
    for (const TaskId& id : ids_) {
      if (results_.contains(id)) continue;
      message.ids.push_back(wire::view_of(id));
      if (message.ids.size() == 1'000) say();
    }
    say();
  }
  void turn() {
    const Now now = base::system_now();
    sockets_.receive(
        256,
        {.connected = [&](actor::LinkId id) { greet(static_cast<std::uint32_t>(id)); },
         .disconnected = [&](actor::LinkId id) { links_[static_cast<std::uint32_t>(id)].drop(); },
         .frame = [&](actor::LinkId id,
                      BytesView frame) { on_frame(static_cast<std::uint32_t>(id), frame, now); }});
    for (auto& [link, state] : links_) {
      std::optional<Bytes> ping;
      if (state.tick(now, ping) == actor::Link::Event::lost) reset(link);
      if (ping) send(link, *std::move(ping));
    }
  }
  void reset(std::uint32_t link) {
    actor::NetEffects effects;
    effects.reset_links.push_back(actor::LinkId{link});
    sockets_.perform(effects);
  }
  void on_frame(std::uint32_t link, BytesView bytes, Now now) {
    wire::OpenFrame frame{.header = {}, .reader = Reader{{}}, .fields = 0};
    switch (links_[link].on_frame(bytes, now, frame)) {
      case actor::Link::Event::nothing: return;
      case actor::Link::Event::lost: return reset(link);
      case actor::Link::Event::welcome:
        if (link == 0) {
          open_collectors(links_[0].welcome().collectors);
        } else {
          watch(link);
        }
        return;
      case actor::Link::Event::message: break;
    }
    if (frame.header.type == wire::Type::collectors) {
      wire::Collectors list;
      if (wire::decode(frame, list)) open_collectors(list.collectors);
    } else if (frame.header.type == wire::Type::submitted) {
      wire::Submitted answer;
      if (wire::decode(frame, answer)) confirmed_ = std::max(confirmed_, answer.upto);
    } else if (frame.header.type == wire::Type::state) {
      wire::StateMessage message;
      if (!wire::decode(frame, message)) return;
      for (const auto& group : message.groups) {
        for (const auto& entry : group.entries) {
          ++states_[std::string{entry.state}];
          tellers_[std::string{entry.state}].insert(entry.id.to_id());
        }
      }
    } else if (frame.header.type == wire::Type::result) {
      wire::ResultMessage message;
      if (!wire::decode(frame, message)) return;
      for (const auto& group : message.groups) {
        for (const auto& entry : group.entries) {
          Result& result = results_[entry.record.id.to_id()];
          result.state = entry.record.state;
          result.body = entry.record.body;
          result.worker = group.worker;
          result.durable = result.durable || (entry.flags & wire::flag::result_durable) != 0;
          ++result.pushed;
        }
      }
    }
  }
  void open_collectors(const std::vector<wire::CollectorInfo>& list) {
    if (list.empty() || !home_.empty()) return;
    home_ = list.front().name;
    actor::NetEffects effects;
    effects.open_links.push_back({actor::LinkId{1}, list.front().endpoints.front()});
    sockets_.perform(effects);
  }

  net::Loop loop_;
  actor::LinkSockets sockets_;
  Uuid origin_;
  std::uint64_t incarnation_ = entropy64() >> 1U;
  std::map<std::uint32_t, actor::Link> links_;
  std::string home_;
  std::uint64_t submitted_ = 0;
  std::uint64_t confirmed_ = 0;
  std::vector<TaskId> ids_;
  std::map<TaskId, Result> results_;
  std::map<std::string, int> states_;
  std::map<std::string, std::set<TaskId>> tellers_;
};

}  // namespace baozi::test
