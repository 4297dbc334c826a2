// What the worker core costs a task, without sockets and without running it: DELIVER, start, end,
// RESULT, STORED, DONE and DONE_OK, in batches as they come under load; and the same while it tells
// events of every task.
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "wire/codec.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {
namespace {

constexpr std::uint64_t batch = 100;
constexpr std::int64_t rounds = 3'000;

struct OneTask : TaskPolicies {
  TaskFacts facts{.definition = this, .retry = {}, .ignore_result = false};
  [[nodiscard]] const TaskFacts* find(std::string_view) const override { return &facts; }
};

class Bench {
 public:
  Bench(BytesView options, bool events) {
    WorkerOptions worker;
    worker.brokers = {"tcp://broker"};
    worker.concurrency = 2;
    worker.task_events = events;
    core_ = std::make_unique<WorkerCore>(worker, policies_, 1);
    core_->start(now_, out_);
    connect(0, {{"c1", {"tcp://c1"}}});
    connect(1, {});
    write_frames(options);
  }

  void round(std::size_t i) {
    feed(0, delivers_[i]);
    turn();
    while (!started_.empty()) {
      Finished end;
      end.value = "\x03";
      end.ran = Micros{1};
      for (const Token token : started_) core_->on_finished(token, end, now_);
      started_.clear();
      turn();
    }
    feed(1, wire::encode(9, ++collector_seq_, wire::Stored{(i + 1) * batch, {}}));
    now_.mono += Micros{1'000};
    now_.wall += Micros{1'000};
    turn();
    feed(0, done_ok_[i]);
  }
  [[nodiscard]] std::uint64_t settled() const { return core_->counters().settled; }
  [[nodiscard]] std::uint64_t events_taken() const { return events_taken_; }
  [[nodiscard]] std::uint64_t events_lost() const { return core_->events().lost(); }

 private:
  void connect(std::uint32_t link, std::vector<wire::CollectorInfo> collectors) {
    core_->on_connected(actor::LinkId{link}, now_, out_);
    wire::Hello hello;
    const auto open = wire::open_frame(out_.net.to_links.back().frame);
    static_cast<void>(wire::decode(*open, hello));
    wire::Welcome welcome;
    welcome.nonce = hello.nonce;
    welcome.name = "peer";
    welcome.incarnation = welcome.epoch = 1;
    welcome.heartbeat_us = 2'500'000;
    welcome.liveness_us = 10'000'000;
    welcome.frame_bytes_max = limits::frame_bytes_max;
    welcome.task_bytes_max = limits::task_bytes_max;
    welcome.collectors = std::move(collectors);
    core_->on_frame(actor::LinkId{link}, wire::encode(9, 0, welcome), now_, out_);
    turn();
  }
  void feed(std::uint32_t link, const Bytes& frame) {
    core_->on_frame(actor::LinkId{link}, frame, now_, out_);
  }
  void turn() {
    core_->turn(now_, out_);
    for (const Start& start : out_.starts) started_.push_back(start.token);
    const std::uint64_t taken_before = events_taken_;
    for (const auto& frame : out_.net.to_links) {
      if (frame.link == actor::LinkId{1}) note_events(frame.frame);
    }
    out_.clear();
    if (events_taken_ != taken_before) {
      feed(1, wire::encode(9, ++collector_seq_, wire::EventsOk{events_taken_}));
    }
  }
  /// A collector that takes them at once; what it costs the collector is not counted here.
  void note_events(BytesView bytes) {
    auto frame = wire::open_frame(bytes);
    if (!frame || frame->header.type != wire::Type::events) return;
    const std::uint64_t first = frame->reader.uinteger();
    frame->reader.uinteger();
    events_taken_ = first + frame->reader.array() - 1;
  }
  void write_frames(BytesView options) {
    const Uuid origin = make_uuid7(wall_time(1), 2, 3);
    std::uint64_t number = 0;
    for (std::int64_t i = 0; i < rounds; ++i) {
      std::vector<Bytes> tasks(batch);
      wire::Deliver deliver;
      wire::DeliveryGroup& group = deliver.groups.emplace_back();
      group.origin = origin.view();
      group.home = "c1";
      for (Bytes& task : tasks) {
        ++number;
        Writer packed{task};
        wire::pack_task(packed, {true, make_uuid7(wall_time(1), number, number).view()}, "c.add",
                        {}, options, "\x92\x92\x01\x02\x80");
        wire::Delivery& delivery = group.deliveries.emplace_back();
        delivery.number = (std::uint64_t{1} << 44U) + number;
        delivery.key = static_cast<std::int64_t>(number);
        delivery.position = number;
        delivery.task.raw = task;
      }
      const auto seq = static_cast<std::uint64_t>(i);
      delivers_.push_back(wire::encode(9, 2 * seq + 1, deliver));
      done_ok_.push_back(wire::encode(9, 2 * seq + 2, wire::DoneOk{number, {}}));
    }
  }

  OneTask policies_;
  Now now_{mono_time(1'000'000'000), wall_time(1'800'000'000'000'000)};
  WorkerEffects out_;
  std::unique_ptr<WorkerCore> core_;
  std::vector<Token> started_;
  std::vector<Bytes> delivers_, done_ok_;
  std::uint64_t collector_seq_ = 0;
  std::uint64_t events_taken_ = 0;
};

void through_the_worker(benchmark::State& state) {
  const bool events = state.range(0) != 0;
  Bench bench{{}, events};
  std::size_t i = 0;
  for (auto _ : state) bench.round(i++);
  if (bench.settled() < (rounds - 10) * batch) state.SkipWithError("tasks are left behind");
  if (events && bench.events_taken() < (rounds - 100) * batch * 3) {
    state.SkipWithError("events are left behind");
  }
  if (bench.events_lost() > 0) state.SkipWithError("events are lost");
  state.SetItemsProcessed(static_cast<std::int64_t>(bench.settled()));
}
BENCHMARK(through_the_worker)
    ->ArgName("events")
    ->Arg(0)
    ->Arg(1)
    ->Iterations(rounds)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace baozi::worker

BENCHMARK_MAIN();
