/// \file random_messages.hpp
/// Seeded random messages of every type, with all the shapes that the protocol allows.
#pragma once
#include <deque>

#include "base/random.hpp"
#include "wire/codec.hpp"

namespace baozi::wire_test {

/// Owns the bytes that the messages it makes point into.
class RandomMessages {
 public:
  explicit RandomMessages(std::uint64_t seed) : random_{seed} {}

  void fill(wire::Hello& m);
  void fill(wire::Welcome& m);
  void fill(wire::Ping&) {}
  void fill(wire::Pong&) {}
  void fill(wire::Goodbye& m) { m.reason = text(); }
  void fill(wire::ErrorMessage& m);
  void fill(wire::Collectors& m) { m.collectors = collectors(); }
  void fill(wire::Submit& m);
  void fill(wire::Submitted& m);
  void fill(wire::Credit& m);
  void fill(wire::Deliver& m);
  void fill(wire::Done& m);
  void fill(wire::DoneOk& m);
  void fill(wire::Nack& m);
  void fill(wire::Queues& m);
  void fill(wire::Tasks& m);
  void fill(wire::ResultMessage& m);
  void fill(wire::Stored& m);
  void fill(wire::Watch& m);
  void fill(wire::StateMessage& m);
  void fill(wire::Fetch& m);
  void fill(wire::Fetched& m);
  void fill(wire::Forget& m);
  void fill(wire::Control& m);
  void fill(wire::Reply& m);
  void fill(wire::Revoke& m);
  void fill(wire::Events& m);
  void fill(wire::EventsOk& m) { m.upto = number(); }
  void fill(wire::Follow& m);
  void fill(wire::Followed& m);

  std::uint64_t number();  ///< of any size, small ones often
  std::int64_t integer();  ///< of any size and sign
  std::size_t count(std::size_t count_max) { return random_.below(count_max + 1); }
  bool flip() { return random_.chance(0.5); }
  std::string_view name();
  std::string_view text();
  BytesView value();  ///< a packed value of any shape
  void pack_value(Writer& out, int depth_left);

 private:
  std::string_view keep(Bytes bytes) { return kept_.emplace_back(std::move(bytes)); }
  std::string_view name_or_none() { return flip() ? name() : std::string_view{}; }
  BytesView bytes(std::size_t size);
  BytesView origin() { return bytes(16); }
  BytesView origin_or_none() { return flip() ? origin() : BytesView{}; }
  wire::IdView id();
  std::vector<wire::IdView> ids();
  std::vector<wire::CollectorInfo> collectors();
  wire::TaskView task();
  BytesView follow_ups(std::vector<wire::TaskView>* views = nullptr);
  wire::RecordView record();
  wire::EventView event();
  BytesView record_or_none() { return flip() ? record().raw : BytesView{}; }
  template <class Enum>
  Enum any(std::uint64_t lowest, std::uint64_t highest) {
    return static_cast<Enum>(lowest + random_.below(highest - lowest + 1));
  }

  Random random_;
  std::deque<Bytes> kept_;
};

}  // namespace baozi::wire_test
