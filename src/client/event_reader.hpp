/// \file event_reader.hpp
/// The inside of an EventStream: what the loop brought, until the reader takes it.
/// Threading: one thread reads; the loop brings from whichever thread steers it.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "baozi/events.hpp"
#include "client/engine.hpp"
#include "client/follow_table.hpp"

namespace baozi::client {

/// \throws std::invalid_argument  a type that is none, or a `from` that cannot be read.
[[nodiscard]] EventWish read_wish(const EventOptions& options);

class EventReader {
 public:
  /// \throws std::invalid_argument, AppClosed
  EventReader(std::shared_ptr<Engine> engine, const EventOptions& options);
  ~EventReader();
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  std::optional<EventBatch> next(detail::Span timeout);
  [[nodiscard]] std::string position() const;
  [[nodiscard]] std::size_t collectors() const { return next_of_.size(); }

 private:
  struct Arrivals;  // shared with the loop, which may outlive the reader
  void ask_for_more(const std::string& collector);

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Arrivals> arrivals_;
  Tag tag_{};
  std::string taken_from_;  // the collector whose batch was given out last
  std::map<std::string, std::uint64_t> next_of_;
};

}  // namespace baozi::client
