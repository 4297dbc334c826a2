// What the broker core costs a task, without sockets and without a disk: SUBMIT, DELIVER, DONE and
// the answers, in batches as they come under load; and the same for tasks that have an ordering key
// and a unique key each.
#include <benchmark/benchmark.h>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"
#include "wire/call_options.hpp"

namespace baozi::broker {
namespace {

constexpr std::uint64_t batch = 100;

class Bench {
 public:
  explicit Bench(bool workers, bool keys = false) {
    now_ = {mono_time(1'000'000'000), wall_time(1'800'000'000'000'000)};
    core_ = std::make_unique<BrokerCore>(BrokerOptions{}, Recovered{}, 1, now_);
    settle();
    producer_ = hello({.nonce = 1,
                       .role = wire::Role::producer,
                       .name = "p",
                       .incarnation = 1,
                       .origin = id_.view()},
                      1);
    if (workers) {
      worker_ = hello(
          {.nonce = 2, .role = wire::Role::worker, .name = "w", .incarnation = 2, .concurrency = 2},
          2);
      settle();
      frame(2, worker_,
            wire::Credit{.count = 60'000, .bytes = 1 << 30, .returned = 0, .returned_bytes = 0});
    }
    Writer packed{tasks_};
    for (std::uint64_t i = 0; i < 2 * batch; ++i) {
      const std::size_t start = tasks_.size();
      const Bytes options = options_of(i, keys);
      wire::pack_task(packed, {true, make_uuid7(wall_time(1), i, i).view()}, "c.add", {}, options,
                      "\x92\x92\x01\x02\x80");
      sizes_.push_back(tasks_.size() - start);
    }
    std::size_t at = 0;
    for (const std::size_t size : sizes_) {
      views_.push_back(*wire::decode_task(BytesView{tasks_}.substr(at, size)));
      at += size;
    }
  }

  void submit() {
    wire::Submit message;
    message.number = ++number_;
    message.origin = id_.view();
    const auto from = views_.begin() + static_cast<std::ptrdiff_t>(number_ % 2 * batch);
    message.tasks.assign(from, from + batch);
    frame(1, producer_, message);
  }
  /// Finishes what was delivered; how many.
  std::uint64_t finish() {
    wire::Done done;
    done.first = finished_ + 1;
    for (const Bytes& bytes : to_worker_) {
      auto open = wire::open_frame(bytes);
      wire::Deliver message;
      if (open->header.type != wire::Type::deliver || !wire::decode(*open, message)) continue;
      for (const auto& group : message.groups) {
        for (const auto& delivery : group.deliveries)
          done.entries.push_back({.number = delivery.number, .state = wire::TaskState::success});
      }
    }
    to_worker_.clear();
    finished_ += done.entries.size();
    if (!done.entries.empty()) frame(2, worker_, done);
    frame(2, worker_,
          wire::Credit{.count = 60'000,
                       .bytes = 1 << 30,
                       .returned = finished_,
                       .returned_bytes = finished_ * 33});
    return done.entries.size();
  }
  void turn() {
    now_.mono += Micros{500};
    now_.wall += Micros{500};
    core_->turn(now_, out_);
    collect();
  }
  void settle() {
    turn();
    while (!commits_.empty()) {
      const std::uint64_t n = commits_.back();
      commits_.clear();
      core_->on_persisted(n, 1ULL << 40U, now_, out_);
      collect();
    }
  }

 private:
  /// No result, since there is no collector. The batch after the next one has the same keys, free
  /// again by then.
  static Bytes options_of(std::uint64_t i, bool keys) {
    CallOptions call;
    call.ignore_result = true;
    if (keys) {
      call.ordering_key = "customer-" + std::to_string(i);
      call.unique = Unique{.key = "invoice-" + std::to_string(i)};
    }
    return *wire::pack_options(call, wall_time(1), {});
  }
  struct Peer {
    std::uint64_t session = 0;
    std::uint64_t sent = 0;
  };
  Peer hello(const wire::Hello& message, std::uint64_t key) {
    core_->on_frame(actor::PeerKey{key}, wire::encode(0, 0, message), now_, out_);
    const auto open = wire::open_frame(out_.net.to_peers.at(0).frame);
    Peer peer{open->header.session, 0};
    collect();
    return peer;
  }
  template <class Message>
  void frame(std::uint64_t key, Peer& peer, const Message& message) {
    core_->on_frame(actor::PeerKey{key}, wire::encode(peer.session, ++peer.sent, message), now_,
                    out_);
    collect();
  }
  void collect() {
    for (auto& sent : out_.net.to_peers) {
      if (sent.peer == actor::PeerKey{2}) to_worker_.push_back(std::move(sent.frame));
    }
    for (const auto& commit : out_.commits) commits_.push_back(commit.n);
    out_.clear();
  }

  Now now_;
  std::unique_ptr<BrokerCore> core_;
  BrokerEffects out_;
  Uuid id_ = make_uuid7(wall_time(1), 2, 3);
  Peer producer_;
  Peer worker_;
  Bytes tasks_;
  std::vector<std::size_t> sizes_;
  std::vector<wire::TaskView> views_;
  std::vector<Bytes> to_worker_;
  std::vector<std::uint64_t> commits_;
  std::uint64_t number_ = 0;
  std::uint64_t finished_ = 0;
};

void through_the_broker(benchmark::State& state) {
  Bench bench{true, state.range(0) != 0};
  std::uint64_t tasks = 0;
  for (auto _ : state) {
    bench.submit();
    bench.turn();
    tasks += bench.finish();
    bench.settle();
  }
  // The last batch leaves with the commit, as all of them do, and is not finished.
  if (tasks + batch < static_cast<std::uint64_t>(state.iterations()) * batch)
    state.SkipWithError("tasks are left behind");
  state.SetItemsProcessed(static_cast<std::int64_t>(tasks));
}
BENCHMARK(through_the_broker)->ArgName("keys")->Arg(0)->Arg(1);

void taken_and_committed(benchmark::State& state) {
  Bench bench{false};
  for (auto _ : state) {
    bench.submit();
    bench.settle();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}
BENCHMARK(taken_and_committed)->Iterations(5'000);

}  // namespace
}  // namespace baozi::broker

BENCHMARK_MAIN();
