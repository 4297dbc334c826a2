// Events: taken from workers and brokers, kept for a while, read by whoever follows them.
#include <algorithm>

#include "baozi/packing.hpp"
#include "collector/collector_core.hpp"
#include "collector/collector_send.hpp"

namespace baozi::collector {

namespace {

constexpr std::size_t followers_per_session_max = 8;
constexpr std::size_t looked_at_per_turn = 20'000;  // events, for one follower
constexpr std::size_t answer_bytes_min = 1'024;

/// The event that says that `node` had to drop some.
Bytes lost_event(std::uint64_t count, WallTime when) {
  Bytes bytes;
  Writer out{bytes};
  wire::pack_event(out, wire::EventType::events_lost, micros(when), nullptr, {});
  out.map(1);
  out.str("count");
  out.uinteger(count);
  return bytes;
}

}  // namespace

bool CollectorCore::on_events(Giver from, std::string_view node, Incarnation incarnation,
                              wire::OpenFrame& frame, Now now, CollectorEffects& out) {
  if (!wire::decode(frame, events_)) return false;
  if (events_.events.empty()) return true;
  const EventPublishers::Taken taken =
      publishers_.take(node, incarnation, events_.first, events_.lost, events_.events.size());
  if (taken.lost > 0) {
    const Bytes raw = lost_event(taken.lost, now.wall);
    wire::EventView event;
    event.type = wire::EventType::events_lost;
    event.raw = raw;
    history_.add(node, event);
    counters_.events_lost += taken.lost;
  }
  for (auto i = static_cast<std::size_t>(taken.skip); i < events_.events.size(); ++i) {
    history_.add(node, events_.events[i]);
  }
  counters_.events += events_.events.size() - taken.skip;
  send(from, wire::EventsOk{taken.upto}, now, out);
  return true;
}

bool CollectorCore::on_follow(actor::Session& session, wire::OpenFrame& frame,
                              CollectorEffects& out) {
  wire::Follow follow;
  if (!wire::decode(frame, follow)) return false;
  std::size_t open = 0;
  std::erase_if(followers_, [&](const Follower& one) {
    const bool own = one.session == session.number;
    const bool same = own && one.request == follow.request;
    open += own && !same ? 1U : 0U;
    return same;
  });
  if (open >= followers_per_session_max) {
    ++counters_.overloaded;
    const auto code = static_cast<std::uint64_t>(wire::ErrorCode::overloaded);
    send(session, wire::Reply{follow.request, code, {}}, out);
    return true;
  }
  Follower follower;
  follower.session = session.number;
  follower.request = follow.request;
  follower.count_max = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(follow.count_max, 1, limits::batch_tasks_max));
  follower.bytes_max = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(follow.bytes_max, answer_bytes_min, frame_fill_bytes));
  follower.filter.types = std::move(follow.types);
  follower.filter.names.assign(follow.names.begin(), follow.names.end());
  if (!follow.from) {
    follower.next = history_.next();
    follower.at_once = true;
  } else if (*follow.from == 0) {
    follower.next = history_.oldest();
  } else if (*follow.from < history_.begun() || *follow.from > history_.next()) {
    follower.next = history_.oldest();
    follower.anew = follower.at_once = true;
  } else {
    follower.next = *follow.from;
  }
  followers_.push_back(std::move(follower));
  return true;
}

void CollectorCore::serve_followers(CollectorEffects& out) {
  std::erase_if(followers_, [&](Follower& follower) {
    actor::Session* const session = sessions_.find(follower.session);
    if (session == nullptr) return true;
    wire::Followed answer;
    answer.request = follower.request;
    answer.flags = follower.anew ? wire::flag::followed_anew : 0;
    if (follower.next < history_.oldest()) answer.lost = history_.oldest() - follower.next;
    const std::uint64_t from = std::max(follower.next, history_.oldest());
    answer.next = follower.next =
        history_.read(from, follower.filter,
                      {follower.count_max, follower.bytes_max, looked_at_per_turn}, answer.groups);
    // What was looked at without an end is told of, so that the search goes on in another turn.
    const bool more = answer.next != history_.next();
    if (answer.groups.empty() && answer.lost == 0 && !follower.at_once && !more) return false;
    counters_.followed += 1;
    send(*session, answer, out);
    return true;
  });
}

}  // namespace baozi::collector
