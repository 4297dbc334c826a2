// What the codec costs, per task: each figure is the time of one 100-task frame divided by 100.
// The tasks are those of the whole-system bench: "c.add" with two small numbers, 16-byte ids, no
// options.
#include <benchmark/benchmark.h>
#include <msgpack.hpp>

#include "base/random.hpp"
#include "wire/codec.hpp"

namespace {

using namespace baozi;

constexpr std::size_t tasks = 100;

/// The bytes that the views of the messages below point into.
struct Sample {
  Random random{42};
  std::vector<Uuid> ids;
  std::vector<Bytes> packed;
  std::vector<Bytes> records;
  Uuid origin = make_uuid7(wall_time(1'700'000'000'000'000), 1, 2);

  explicit Sample(bool options) {
    for (std::size_t i = 0; i < tasks; ++i) {
      ids.push_back(make_uuid7(wall_time(1'700'000'000'000'000), random.next(), random.next()));
      Bytes raw_options;
      if (options) {
        Writer out{raw_options};
        out.map(3);
        out.uinteger(1), out.integer(1'700'000'060'000'000);  // eta
        out.uinteger(3), out.uinteger(7);                     // priority
        out.uinteger(13), out.boolean(true);                  // ignore_result
      }
      Bytes body;
      Writer{body}.raw(std::string_view{"\x92\x92\x01\x02\x80", 5});
      Bytes& task = packed.emplace_back();
      Writer out{task};
      wire::pack_task(out, {true, ids.back().view()}, "c.add", "", raw_options, body);
      Bytes& record = records.emplace_back();
      Writer record_out{record};
      wire::pack_record(record_out, {.id = {true, ids.back().view()},
                                     .name = "c.add",
                                     .state = wire::TaskState::success,
                                     .body = std::string_view{"\x03", 1},
                                     .started_us = 1'700'000'000'000'000,
                                     .finished_us = 1'700'000'000'000'050});
    }
  }

  [[nodiscard]] wire::Submit submit() const {
    wire::Submit message{
        .number = 7, .origin = origin.view(), .home = "collector@host", .flags = 0};
    for (const Bytes& raw : packed) message.tasks.push_back(wire::decode_task(raw).value());
    return message;
  }
  [[nodiscard]] wire::Deliver deliver() const {
    wire::Deliver message;
    auto& group = message.groups.emplace_back();
    group.origin = origin.view();
    group.home = "collector@host";
    for (std::uint32_t i = 0; i < tasks; ++i) {
      group.deliveries.push_back(
          {.number = static_cast<std::uint64_t>(make_delivery_number(3, i, i)),
           .key = 100'000 + i,
           .position = 70'000,
           .task = wire::decode_task(packed[i]).value()});
    }
    return message;
  }
  [[nodiscard]] wire::ResultMessage result() const {
    wire::ResultMessage message{.first = 1};
    auto& group = message.groups.emplace_back();
    group.origin = origin.view();
    group.worker = "w1@host";
    for (std::uint32_t i = 0; i < tasks; ++i) {
      group.entries.push_back({.number = static_cast<std::uint64_t>(make_delivery_number(3, i, i)),
                               .record = wire::decode_record(records[i]).value()});
    }
    return message;
  }
  [[nodiscard]] wire::Done done() const {
    wire::Done message{.first = 1};
    for (std::uint32_t i = 0; i < tasks; ++i) {
      message.entries.push_back(
          {.number = static_cast<std::uint64_t>(make_delivery_number(3, i, i))});
    }
    return message;
  }
};

void per_task(benchmark::State& state, std::size_t bytes) {
  state.counters["task"] = benchmark::Counter(
      tasks, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["bytes_per_task"] = static_cast<double>(bytes) / tasks;
}

template <class Message>
void run_decode(benchmark::State& state, const Message& message) {
  const Bytes frame = wire::encode(5, 9, message);
  Message out;
  for (auto _ : state) {
    auto open = wire::open_frame(frame);
    if (!wire::decode(*open, out)) state.SkipWithError("does not decode");
    benchmark::DoNotOptimize(out);
    benchmark::ClobberMemory();
  }
  per_task(state, frame.size());
}

template <class Message>
void run_encode(benchmark::State& state, const Message& message) {
  std::size_t bytes = 0;
  for (auto _ : state) {
    const Bytes frame = wire::encode(5, 9, message);
    benchmark::DoNotOptimize(frame.data());
    benchmark::ClobberMemory();
    bytes = frame.size();
  }
  per_task(state, bytes);
}

void decode_submit(benchmark::State& state) { run_decode(state, Sample{false}.submit()); }
void decode_submit_with_options(benchmark::State& state) {
  const Sample sample{true};
  run_decode(state, sample.submit());
}
void decode_deliver(benchmark::State& state) { run_decode(state, Sample{false}.deliver()); }
void decode_result(benchmark::State& state) { run_decode(state, Sample{false}.result()); }
void decode_done(benchmark::State& state) { run_decode(state, Sample{false}.done()); }

void encode_submit(benchmark::State& state) {
  const Sample sample{false};
  run_encode(state, sample.submit());
}
void encode_deliver(benchmark::State& state) {
  const Sample sample{false};
  run_encode(state, sample.deliver());
}
void encode_result(benchmark::State& state) {
  const Sample sample{false};
  run_encode(state, sample.result());
}
void encode_done(benchmark::State& state) {
  const Sample sample{false};
  run_encode(state, sample.done());
}

void pack_tasks(benchmark::State& state) {
  const Sample sample{false};
  Bytes out;
  for (auto _ : state) {
    out.clear();
    Writer writer{out};
    for (const Uuid& id : sample.ids) {
      wire::pack_task(writer, {true, id.view()}, "c.add", "", {},
                      std::string_view{"\x92\x92\x01\x02\x80", 5});
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  per_task(state, out.size());
}

/// The yardstick: msgpack-c's own unpacking of the same SUBMIT into its object tree.
void msgpack_c_submit(benchmark::State& state) {
  const Sample sample{false};
  const Bytes frame = wire::encode(5, 9, sample.submit());
  for (auto _ : state) {
    const msgpack::object_handle handle = msgpack::unpack(frame.data(), frame.size());
    benchmark::DoNotOptimize(handle.get());
  }
  per_task(state, frame.size());
}

BENCHMARK(decode_submit);
BENCHMARK(decode_submit_with_options);
BENCHMARK(decode_deliver);
BENCHMARK(decode_result);
BENCHMARK(decode_done);
BENCHMARK(encode_submit);
BENCHMARK(encode_deliver);
BENCHMARK(encode_result);
BENCHMARK(encode_done);
BENCHMARK(pack_tasks);
BENCHMARK(msgpack_c_submit);

}  // namespace

BENCHMARK_MAIN();
