/// \file worker_bench.hpp
/// A worker core with brokers and collectors played by the test: frames by the codec, time by hand.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/packing.hpp>

#include "wire/codec.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

inline constexpr Micros heartbeat{1'000'000};
inline constexpr Micros liveness{6'000'000};

inline Uuid uuid(std::uint64_t n) { return make_uuid7(wall_time(0), n, n); }
inline const Uuid origin_a = make_uuid7(wall_time(1), 77, 77);

/// A packed task with an id made of `n`.
inline Bytes task_bytes(std::uint64_t n, std::string_view name = "add", BytesView options = {},
                        BytesView body = "body", std::string_view queue = {}) {
  Bytes bytes;
  Writer out{bytes};
  const Uuid id = uuid(n);
  wire::pack_task(out, {true, id.view()}, name, queue, options, body);
  return bytes;
}

/// An option map with one entry.
template <class Value>
Bytes option(wire::Option key, Value&& value) {
  Bytes bytes;
  Writer out{bytes};
  out.map(1);
  out.uinteger(static_cast<std::uint64_t>(key));
  value(out);
  return bytes;
}
inline Bytes flag_option(wire::Option key) {
  return option(key, [](Writer& out) { out.boolean(true); });
}
inline Bytes retry_option(std::int64_t max, std::int64_t start, std::int64_t step,
                          std::int64_t longest) {
  return option(wire::Option::retry_policy, [&](Writer& out) {
    out.array(4);
    out.integer(max), out.integer(start), out.integer(step), out.integer(longest);
  });
}

inline Bytes packed_list_of(const Bytes& task) {
  Bytes bytes;
  Writer out{bytes};
  out.array(1);
  out.raw(task);
  return bytes;
}

inline Finished success(BytesView value = "\x03", Micros ran = Micros{100}) {
  Finished end;
  end.value = value;
  end.ran = ran;
  end.started_us = 10;
  end.finished_us = 20;
  return end;
}
inline const Bytes boom = wire::pack_failure("std::runtime_error", "boom", "at line 1");
inline Finished failure(bool retryable = false) {
  Finished end = success(boom);
  end.verdict = Verdict::failure;
  end.retryable = retryable;
  return end;
}

struct FixedPolicies : TaskPolicies {
  std::map<std::string, TaskFacts, std::less<>> tasks;
  FixedPolicies() {
    TaskFacts plain;
    plain.definition = this;
    plain.retry.max_retries = 0;
    tasks["add"] = plain;
    plain.retry.max_retries = 2;
    plain.retry.interval_start = Micros{1'000};
    plain.retry.interval_step = Micros{500};
    plain.retry.interval_max = Micros{10'000};
    tasks["stubborn"] = plain;
    plain.ignore_result = true;
    tasks["quiet"] = plain;
  }
  [[nodiscard]] const TaskFacts* find(std::string_view name) const override {
    const auto found = tasks.find(name);
    return found == tasks.end() ? nullptr : &found->second;
  }
};

/// One delivery as a broker would write it.
struct Parcel {
  std::uint64_t number = 0;
  Bytes task;
  std::uint32_t count = 1;
  std::uint32_t retries = 0;
  std::uint64_t flags = 0;
  std::int64_t key = 0;
  std::uint64_t position = 0;
  std::int64_t since_us = 0;
};

/// A peer of the worker: what it heard, what it says.
struct FakePeer {
  actor::LinkId link{};
  std::uint64_t session = 0;
  std::uint64_t sent = 0;
  std::uint64_t heard = 0;
  std::vector<Bytes> frames;  ///< not looked at yet, HELLO included

  /// The frames of one type, decoded; others stay. The frames are kept for the views.
  template <class Message>
  std::vector<Message> take(wire::Type type) {
    std::vector<Message> found;
    std::vector<Bytes> rest;
    for (Bytes& bytes : frames) {
      const auto frame = wire::open_frame(bytes);
      if (!frame || frame->header.type != type) {
        rest.push_back(std::move(bytes));
        continue;
      }
      kept_.push_back(std::make_unique<Bytes>(std::move(bytes)));
      auto again = wire::open_frame(*kept_.back());
      Message message;
      EXPECT_TRUE(wire::decode(*again, message).has_value());
      found.push_back(std::move(message));
    }
    frames = std::move(rest);
    return found;
  }

 private:
  std::vector<std::unique_ptr<Bytes>> kept_;
};

class WorkerBench : public testing::Test {
 protected:
  WorkerOptions options;
  Rules rules;
  FixedPolicies policies;
  std::unique_ptr<WorkerCore> core;
  WorkerEffects out;
  Now now{mono_time(1'000'000'000), wall_time(1'700'000'000'000'000)};
  std::map<std::uint32_t, FakePeer> peers;
  std::vector<std::uint32_t> opened, closed, reset;
  std::map<std::uint32_t, std::string> endpoints;
  std::vector<Start> starts;
  std::vector<Token> cancels, interrupts;
  std::uint64_t next_session = 100;

  WorkerBench() {
    options.name = "w1@test";
    options.incarnation = Incarnation{7};
    options.brokers = {"tcp://b0"};
    options.queues = {"default"};
    options.concurrency = 2;
    options.pid = 42;
  }

  FakePeer& broker(std::uint32_t index = 0) { return peers[index]; }

  /// Carries out what the core asked of its network, and keeps what it asked of the pool.
  void carry_out() {
    for (const auto& open : out.net.open_links) {
      const auto id = static_cast<std::uint32_t>(open.link);
      opened.push_back(id);
      endpoints[id] = open.endpoint;
      peers[id].link = open.link;
    }
    for (auto& frame : out.net.to_links) {
      FakePeer& peer = peers[static_cast<std::uint32_t>(frame.link)];
      const auto header = wire::open_frame(frame.frame);
      ASSERT_TRUE(header.has_value());
      if (header->header.seq != 0) {
        EXPECT_EQ(header->header.session, peer.session);
        EXPECT_EQ(header->header.seq, ++peer.heard) << "frames of a session are numbered";
      }
      peer.frames.push_back(std::move(frame.frame));
    }
    for (const auto id : out.net.reset_links) reset.push_back(static_cast<std::uint32_t>(id));
    for (const auto id : out.net.close_links) closed.push_back(static_cast<std::uint32_t>(id));
    starts.insert(starts.end(), out.starts.begin(), out.starts.end());
    cancels.insert(cancels.end(), out.cancels.begin(), out.cancels.end());
    interrupts.insert(interrupts.end(), out.interrupts.begin(), out.interrupts.end());
    out.clear();
  }
  void turn() {
    core->turn(now, out);
    carry_out();
  }
  void pass(Micros span) {
    now.mono += span;
    now.wall += span;
    turn();
  }

  void make_core() {
    core = std::make_unique<WorkerCore>(options, policies, 1, rules);
    core->start(now, out);
    turn();
  }
  /// Connects, and takes the HELLO.
  wire::Hello connect(FakePeer& peer) {
    core->on_connected(peer.link, now, out);
    turn();
    auto hellos = peer.take<wire::Hello>(wire::Type::hello);
    EXPECT_EQ(hellos.size(), 1u);
    return hellos.empty() ? wire::Hello{} : hellos.back();
  }
  void welcome(FakePeer& peer, const wire::Hello& hello,
               std::vector<wire::CollectorInfo> collectors = {}) {
    wire::Welcome welcome;
    welcome.nonce = hello.nonce;
    welcome.name = "peer";
    welcome.incarnation = 1;
    welcome.epoch = 1;
    welcome.heartbeat_us = static_cast<std::uint64_t>(heartbeat.count());
    welcome.liveness_us = static_cast<std::uint64_t>(liveness.count());
    welcome.frame_bytes_max = frame_bytes_max;
    welcome.task_bytes_max = limits::task_bytes_max;
    welcome.collectors = std::move(collectors);
    peer.session = next_session++;
    peer.sent = peer.heard = 0;
    const Bytes frame = wire::encode(peer.session, 0, welcome);
    core->on_frame(peer.link, frame, now, out);
    turn();
  }
  std::uint64_t frame_bytes_max = limits::frame_bytes_max;

  template <class Message>
  void say(FakePeer& peer, const Message& message) {
    const Bytes frame = wire::encode(peer.session, ++peer.sent, message);
    core->on_frame(peer.link, frame, now, out);
    turn();
  }
  void deliver(FakePeer& peer, const std::vector<Parcel>& parcels, std::string_view home = "c1",
               const Uuid& origin = origin_a) {
    wire::Deliver message;
    wire::DeliveryGroup& group = message.groups.emplace_back();
    group.origin = origin.view();
    group.home = home;
    for (const Parcel& parcel : parcels) {
      wire::Delivery& delivery = group.deliveries.emplace_back();
      delivery.number = parcel.number;
      delivery.key = parcel.key;
      delivery.position = parcel.position;
      delivery.count = parcel.count;
      delivery.retries = parcel.retries;
      delivery.flags = parcel.flags;
      delivery.since_us = parcel.since_us;
      delivery.task.raw = parcel.task;
    }
    say(peer, message);
  }
  /// The pool's answer, and a turn.
  void finish(Token token, const Finished& end) {
    core->on_finished(token, end, now);
    turn();
  }
  void cancelled(Token token) {
    core->on_cancelled(token, now);
    turn();
  }
  void stored(FakePeer& peer, std::uint64_t upto, std::vector<wire::ResultLoss> losses = {}) {
    say(peer, wire::Stored{upto, std::move(losses)});
  }
  void done_ok(FakePeer& peer, std::uint64_t upto,
               std::vector<wire::SettledException> exceptions = {}) {
    say(peer, wire::DoneOk{upto, std::move(exceptions)});
  }

  /// A broker with a session, and the collector c1 with one too.
  FakePeer* collector = nullptr;
  void open_all() {
    make_core();
    welcome(broker(), connect(broker()), {{"c1", {"tcp://c1"}}});
    collector = &peers[opened.back()];
    ASSERT_EQ(endpoints[opened.back()], "tcp://c1");
    welcome(*collector, connect(*collector));
    broker().frames.clear();
  }
  std::vector<wire::Settlement> dones(FakePeer& peer) {
    std::vector<wire::Settlement> all;
    for (auto& done : peer.take<wire::Done>(wire::Type::done)) {
      for (auto& entry : done.entries) all.push_back(entry);
    }
    return all;
  }
  std::vector<wire::NackEntry> nacks(FakePeer& peer) {
    std::vector<wire::NackEntry> all;
    for (auto& nack : peer.take<wire::Nack>(wire::Type::nack)) {
      for (auto& entry : nack.entries) all.push_back(entry);
    }
    return all;
  }
  std::vector<wire::ResultEntry> results(FakePeer& peer) {
    std::vector<wire::ResultEntry> all;
    for (auto& message : peer.take<wire::ResultMessage>(wire::Type::result)) {
      for (auto& group : message.groups) {
        for (auto& entry : group.entries) all.push_back(entry);
      }
    }
    return all;
  }
  wire::Credit credit(FakePeer& peer) {
    auto all = peer.take<wire::Credit>(wire::Type::credit);
    EXPECT_FALSE(all.empty());
    return all.empty() ? wire::Credit{} : all.back();
  }
};

inline std::string failure_type(const wire::RecordView& record) {
  Reader in{record.body};
  in.array();
  return std::string{in.str()};
}
inline std::string failure_message(const wire::RecordView& record) {
  Reader in{record.body};
  in.array();
  in.str();
  return std::string{in.str()};
}

}  // namespace baozi::worker
