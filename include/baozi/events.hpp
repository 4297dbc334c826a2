/// \file events.hpp
/// Room: client.
/// What happens in the network, as it happens: `for (…) auto batch = app.events().next(1s)`.
/// Collectors keep the latest events for a while; a stream reads them at its own pace and can be
/// gone on with later, by another process too. A slow reader slows nobody: what it comes too late
/// for is counted. Which events there are: docs/events.md.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baozi/detail/call_handle.hpp"
#include "baozi/value.hpp"

namespace baozi {

namespace client {
class EventReader;
}

struct Event {
  std::uint64_t offset = 0;  ///< grows by one with each event of its collector
  std::string type;          ///< "task-succeeded", "worker-heartbeat", …
  std::chrono::sys_time<std::chrono::microseconds> time;
  std::string node;     ///< that saw it
  std::string task_id;  ///< empty for events of nodes
  std::string task;     ///< the task's name; empty for events of nodes
  Value fields;         ///< an object
};

struct EventBatch {
  std::string collector;  ///< all of these come from it
  std::vector<Event> events;
  std::uint64_t next = 0;  ///< where its next batch begins
  std::uint64_t lost = 0;  ///< events right before these that were asked for too late
  bool anew = false;  ///< the offset was not of this collector's history: it starts from its oldest
};

struct EventOptions {
  /// "now", "oldest", an offset, or what `EventStream::position` said.
  std::string from = "now";
  std::vector<std::string>
      types;  ///< "task-failed"; "task-*" and "worker-*" mean all of them. Empty: all
  std::vector<std::string> tasks;  ///< names; one may end in '*'. Empty: all, and events of nodes
};

/// Events, batch by batch. Movable; used by one thread at a time. May outlive its App, and then
/// throws AppClosed.
class EventStream {
 public:
  explicit EventStream(std::unique_ptr<client::EventReader> reader);
  ~EventStream();
  EventStream(EventStream&&) noexcept;
  EventStream& operator=(EventStream&&) noexcept;

  /// The next batch; nothing when the time is over. A batch may be empty and only tell of lost
  /// events. Throws AppClosed, WouldBlock.
  template <class Rep, class Period>
  std::optional<EventBatch> next(std::chrono::duration<Rep, Period> timeout) {
    return next_within(detail::to_timeout(timeout));
  }
  /// Where to go on after the batches so far: for `EventOptions::from`. Empty before the first
  /// answer of a collector.
  [[nodiscard]] std::string position() const;
  /// Collectors that have answered so far.
  [[nodiscard]] std::size_t collectors() const;

 private:
  std::optional<EventBatch> next_within(detail::Span timeout);
  std::unique_ptr<client::EventReader> reader_;
};

}  // namespace baozi
