/// \file event_outbox.hpp
/// The events of one node on their way to a collector: packed as they happen, sent in batches, kept
/// until the collector has them. Bounded: while nobody takes them the oldest are dropped and
/// counted, so that a collector that is away never slows a task. Pure.
/// Threading: owned by one core. Time: passed in with `at`.
/// Source: docs/protocol.md section 9, "Events".
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "base/time.hpp"
#include "wire/codec.hpp"

namespace baozi::actor {

class EventOutbox {
 public:
  struct Limits {
    std::size_t events_max = 20'000;  ///< kept while nobody has taken them, and their bytes
    std::size_t bytes_max = std::size_t{4} << 20U;
    std::size_t batch_events = 1'000;  ///< of one EVENTS frame
    std::size_t batch_bytes = std::size_t{128} << 10U;
    std::size_t frames_max = 8;  ///< sent and unanswered
    Micros delay{50'000};        ///< an event waits so long for company
  };

  EventOutbox() = default;
  explicit EventOutbox(const Limits& limits) : limits_{limits} {}

  /// The time that events get from here on: once per turn and per input.
  void at(Now now) { now_ = now; }

  /// \param id      of the task, or nullptr
  /// \param name    of the task, or empty
  /// \param fields  writes the map of the event's fields, together at most some 12 KiB
  template <class Fields>
  void add(wire::EventType type, const wire::IdView* id, std::string_view name, Fields&& fields) {
    add_at(micros(now_.wall), type, id, name, std::forward<Fields>(fields));
  }
  /// The same of what happened a moment ago, at `time_us`.
  template <class Fields>
  void add_at(std::int64_t time_us, wire::EventType type, const wire::IdView* id,
              std::string_view name, Fields&& fields) {
    Batch& batch = open_batch();
    Writer out{batch.bytes};
    const std::size_t before = batch.bytes.size();
    wire::pack_event(out, type, time_us, id, name);
    fields(out);
    added(batch, batch.bytes.size() - before);
  }

  /// Hands what may leave to `send(const wire::PackedEvents&)`. With `all` nothing waits for
  /// company, nor for answers.
  template <class Send>
  void flush(bool all, Send&& send) {
    if (all || is_old()) seal();
    while (sent_ < sealed() && (all || sent_ < limits_.frames_max)) {
      const Batch& batch = batches_[sent_++];
      send(wire::PackedEvents{batch.first, batch.lost, batch.count, batch.bytes});
    }
  }
  /// The collector has everything up to this number. False: that was never sent.
  bool on_ok(std::uint64_t upto);
  /// Another session, or another collector: what is unanswered is sent again.
  void restart() { sent_ = 0; }

  /// When the next flush would send something; nothing when there is nothing to send.
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  [[nodiscard]] bool empty() const { return batches_.empty(); }
  [[nodiscard]] std::size_t events() const { return events_; }
  [[nodiscard]] std::uint64_t told() const { return next_ - 1; }  ///< events so far, lost ones too
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  struct Batch {
    std::uint64_t first = 0;
    std::uint64_t lost = 0;  // right before `first`
    std::size_t count = 0;
    Bytes bytes;
    MonoTime opened{};
  };

  [[nodiscard]] std::size_t sealed() const { return batches_.size() - (open_ ? 1 : 0); }
  [[nodiscard]] bool is_old() const {
    return open_ && now_.mono - batches_.back().opened >= limits_.delay;
  }
  Batch& open_batch() { return open_ ? batches_.back() : begin_batch(); }
  Batch& begin_batch();
  void seal() { open_ = false; }
  void added(Batch& batch, std::size_t bytes) {
    ++batch.count;
    ++next_;
    ++events_;
    bytes_ += bytes;
    if (batch.count >= limits_.batch_events || batch.bytes.size() >= limits_.batch_bytes) seal();
    if (events_ > limits_.events_max || bytes_ > limits_.bytes_max) drop_oldest();
  }
  void drop_oldest();
  void remove_front();

  Limits limits_;
  Now now_{};
  std::deque<Batch> batches_;  // oldest first; those sent in this session come first
  std::size_t sent_ = 0;
  bool open_ = false;  // the last one takes more
  std::uint64_t next_ = 1;
  std::size_t events_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t lost_ = 0;
  Bytes spare_;  // keeps its room for the next batch
};

}  // namespace baozi::actor
