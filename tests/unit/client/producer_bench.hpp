/// \file producer_bench.hpp
/// A producer core with hand-made brokers and collectors around it: what it sends is decoded, what
/// it is told is written by the test, and time moves by hand.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "client/producer_core.hpp"
#include "wire/codec.hpp"

namespace baozi::client {

using namespace std::chrono_literals;

inline constexpr actor::LinkId broker_a{0};
inline constexpr actor::LinkId broker_b{1};

struct SentSubmit {
  std::uint64_t number = 0;
  std::uint64_t flags = 0;
  std::string home;
  std::string origin;
  std::vector<std::string> names;  // of its tasks
};

class ProducerBench : public testing::Test {
 protected:
  struct Peer {  // the far end of one link
    std::uint64_t session = 0;
    std::uint64_t sent = 0;
    std::vector<wire::Type> received;
    std::deque<SentSubmit> submits;
    std::deque<Bytes> other;  // frames that are neither SUBMIT nor HELLO nor PING
    std::uint64_t nonce = 0;
  };

  void start(std::vector<std::string> brokers = {"tcp://a"}) {
    options.brokers = std::move(brokers);
    options.origin = Uuid::from_bytes("0123456789abcdef");
    core = std::make_unique<ProducerCore>(options, rules);
    core->start(now, out);
    pump();
  }

  /// Gives what the core wants sent to the peers, and gathers what it tells.
  void pump() {
    for (auto& sent : out.net.to_links) {
      Peer& peer = peers[sent.link];
      auto frame = wire::open_frame(sent.frame);
      ASSERT_TRUE(frame.has_value());
      peer.received.push_back(frame->header.type);
      if (frame->header.type == wire::Type::hello) {
        wire::Hello hello;
        ASSERT_TRUE(wire::decode(*frame, hello).has_value());
        peer.nonce = hello.nonce;
        hello_origin = std::string{hello.origin};
      } else if (frame->header.type == wire::Type::submit) {
        wire::Submit submit;
        ASSERT_TRUE(wire::decode(*frame, submit).has_value());
        SentSubmit seen{
            submit.number, submit.flags, std::string{submit.home}, std::string{submit.origin}, {}};
        for (const auto& task : submit.tasks) seen.names.emplace_back(task.name);
        peer.submits.push_back(std::move(seen));
      } else if (frame->header.type != wire::Type::ping) {
        peer.other.push_back(sent.frame);
      }
    }
    for (const auto link : out.net.reset_links) resets.push_back(link);
    for (const auto& link : out.net.open_links) opened[link.link] = link.endpoint;
    for (const auto link : out.net.close_links) opened.erase(link);
    for (const Tag tag : out.confirmed) confirmed.push_back(static_cast<std::uint64_t>(tag));
    for (const auto& failure : out.failed)
      failed[static_cast<std::uint64_t>(failure.tag)] = failure;
    for (const auto& result : out.results) {
      results[static_cast<std::uint64_t>(result.tag)] = std::string{result.record.body};
    }
    for (auto& answer : out.answers) answers.push_back(std::move(answer));
    for (auto& piece : out.events) events.push_back(std::move(piece));
    out.clear();
  }

  void turn(Micros later = 0us) {
    now.mono += later;
    now.wall += later;
    core->turn(now, out);
    pump();
  }
  /// Lets time pass in steps of the core's own deadlines.
  void run_for(Micros span) {
    const MonoTime end = now.mono + span;
    while (true) {
      const auto due = core->next_deadline();
      if (!due || *due > end) break;
      turn(std::max(*due - now.mono, Micros{1}));
    }
    turn(end - now.mono);
  }
  /// Time passes while these peers answer every PING.
  void run_alive(Micros span, std::vector<actor::LinkId> alive) {
    for (Micros gone{0}; gone < span; gone += 1s) {
      run_for(std::min<Micros>(1s, span - gone));
      for (const auto link : alive) tell(link, wire::Pong{});
    }
  }

  template <class Message>
  void tell(actor::LinkId link, const Message& message) {
    Peer& peer = peers[link];
    const Bytes frame = wire::encode(peer.session, ++peer.sent, message);
    core->on_frame(link, frame, now, out);
    pump();
  }

  void connect(actor::LinkId link) {
    core->on_connected(link, now, out);
    pump();
  }
  void disconnect(actor::LinkId link) {
    core->on_disconnected(link, now, out);
    pump();
    turn();
  }
  void welcome(actor::LinkId link, wire::ProducerResume resume = {},
               std::vector<wire::CollectorInfo> collectors = {}) {
    Peer& peer = peers[link];
    peer.session += 100 + static_cast<std::uint64_t>(link);
    peer.sent = 0;
    const wire::Welcome message{.nonce = peer.nonce,
                                .name = link == broker_a ? "a" : "b",
                                .incarnation = 7,
                                .epoch = epoch,
                                .heartbeat_us = 2'500'000,
                                .liveness_us = 10'000'000,
                                .frame_bytes_max = limits::frame_bytes_max,
                                .task_bytes_max = limits::task_bytes_max,
                                .collectors = std::move(collectors),
                                .resume = resume};
    const Bytes frame = wire::encode(peer.session, 0, message);
    core->on_frame(link, frame, now, out);
    pump();
  }
  void open(actor::LinkId link, wire::ProducerResume resume = {},
            std::vector<wire::CollectorInfo> collectors = {}) {
    connect(link);
    welcome(link, resume, std::move(collectors));
  }
  /// A broker with one collector, whose link is 1 (one broker) or 2 (two).
  actor::LinkId open_with_collector() {
    open(broker_a, {}, {{"c1", {"tcp://c1"}}});
    const actor::LinkId collector{static_cast<std::uint32_t>(options.brokers.size())};
    open(collector);
    turn();
    return collector;
  }

  static TaskId id_of_tag(std::uint64_t tag) {
    return TaskId{make_uuid7(wall_time(1'000'000), 0, tag << 8U)};
  }
  static Bytes packed_task(std::uint64_t tag, std::size_t body_bytes = 3) {
    Bytes bytes;
    Writer writer{bytes};
    const TaskId id = id_of_tag(tag);
    wire::pack_task(writer, wire::view_of(id), "t" + std::to_string(tag), {}, {},
                    std::string(body_bytes, 'x'));
    return bytes;
  }
  TaskPile pile(std::uint64_t first, std::uint64_t last,
                std::shared_ptr<const Terms> terms = nullptr) const {
    TaskPile tasks;
    for (std::uint64_t tag = first; tag <= last; ++tag) {
      Submission task;
      task.tag = Tag{tag};
      task.since = now.mono;
      task.wants_result = wants_results;
      task.terms = terms;
      tasks.add(std::move(task), packed_task(tag));
    }
    return tasks;
  }
  void submit(std::uint64_t first, std::uint64_t last,
              std::shared_ptr<const Terms> terms = nullptr) {
    core->submit(pile(first, last, std::move(terms)), now, out);
    turn();
  }
  void submitted(actor::LinkId link, std::uint64_t upto) { tell(link, wire::Submitted{upto, {}}); }
  void refuse(actor::LinkId link, std::uint64_t number, wire::Refusal code, wire::Reason reason,
              std::uint64_t expected = 0, std::vector<wire::TaskRefusal> tasks = {}) {
    tell(link, wire::Submitted{0, {{number, code, reason, expected, 0, std::move(tasks)}}});
    turn();
  }
  SentSubmit next_submit(actor::LinkId link) {
    auto& submits = peers[link].submits;
    if (submits.empty()) return {};
    SentSubmit first = submits.front();
    submits.pop_front();
    return first;
  }
  static std::vector<std::string> names(std::uint64_t first, std::uint64_t last) {
    std::vector<std::string> list;
    for (std::uint64_t tag = first; tag <= last; ++tag) list.push_back("t" + std::to_string(tag));
    return list;
  }
  static Bytes record_of(const TaskId& id, std::string_view body) {
    Bytes bytes;
    Writer writer{bytes};
    wire::pack_record(
        writer,
        {.id = wire::view_of(id), .name = "t", .state = wire::TaskState::success, .body = body});
    return bytes;
  }
  void push_result(actor::LinkId link, const TaskId& id, std::string_view body,
                   std::uint64_t flags = 0) {
    const Bytes record = record_of(id, body);
    wire::ResultEntry entry{.number = 1, .flags = flags};
    entry.record.raw = record;
    tell(link, wire::ResultMessage{0, {{BytesView{"0123456789abcdef"}, "w1", {entry}}}});
  }
  Fate fate(std::uint64_t tag) const { return failed.at(tag).fate; }

  ProducerOptions options;
  Rules rules;
  bool wants_results = false;
  std::uint64_t epoch = 1;  // of the brokers
  Now now{mono_time(1'000'000), wall_time(1'700'000'000'000'000)};
  ProducerEffects out;
  std::unique_ptr<ProducerCore> core;
  std::map<actor::LinkId, Peer> peers;
  std::map<actor::LinkId, std::string> opened;
  std::vector<actor::LinkId> resets;
  std::vector<std::uint64_t> confirmed;
  std::map<std::uint64_t, SubmitFailure> failed;
  std::map<std::uint64_t, std::string> results;
  std::vector<Answer> answers;
  std::vector<ArrivedEvents> events;
  std::string hello_origin;
};

inline std::vector<std::uint64_t> tags(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> list;
  for (std::uint64_t tag = first; tag <= last; ++tag) list.push_back(tag);
  return list;
}

}  // namespace baozi::client
