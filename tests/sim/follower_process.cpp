#include "follower_process.hpp"

#include <utility>

namespace baozi::sim {

namespace {
constexpr client::Tag stream{1};
}

FollowerProcess::FollowerProcess(World& world, Network& network, std::string name,
                                 client::ProducerOptions options, const Rules& rules)
    : Process{world, network, name, ""}, options_{std::move(options)}, rules_{rules} {
  options_.name = name;
  options_.role = wire::Role::admin;
}

void FollowerProcess::boot(Now now) {
  options_.incarnation = Incarnation{world_.chance.next()};
  options_.seed = world_.chance.next();
  options_.origin = make_uuid7(now.wall, world_.chance.next(), world_.chance.next());
  core_ = std::make_unique<client::ProducerCore>(options_, rules_);
  core_->start(now, effects_);
  client::EventWish wish;
  wish.from = 0;
  wish.from_of = places_;
  wish.count_max = piece_max_ = static_cast<std::uint64_t>(world_.chance.between(20, 100));
  core_->follows().follow(stream, wish);
}

void FollowerProcess::halt() {
  core_.reset();
  effects_.clear();
  is_behind_ = false;
}

void FollowerProcess::turn(Now now) {
  core_->turn(now, effects_);
  take();
  perform(effects_.net);
  effects_.clear();
}

void FollowerProcess::take() {
  for (const client::ArrivedEvents& piece : effects_.events) {
    check(piece);
    is_behind_ = piece.events.size() >= piece_max_;
    later(world_.chance.spread(Micros{100}, Micros{300'000}), [this, collector = piece.collector] {
      post([this, collector](Now) { core_->follows().more(stream, collector); });
    });
  }
  effects_.events.clear();
}

void FollowerProcess::check(const client::ArrivedEvents& piece) {
  const auto wrong = [&](const std::string& what) {
    world_.violation("events: " + name() + " at " + piece.collector + ": " + what);
  };
  const std::uint64_t begins = piece.events.empty() ? piece.next : piece.events.front().offset;
  const auto place = places_.find(piece.collector);
  if (piece.anew || piece.lost > 0) ++missed_;
  if (place == places_.end()) {
    if (piece.lost > 0) wrong("events are lost that were never asked for");
  } else if (!piece.anew && place->second + piece.lost != begins) {
    wrong("after offset " + std::to_string(place->second) + " comes " + std::to_string(begins) +
          ", and " + std::to_string(piece.lost) + " are said to be lost");
  }
  std::uint64_t expected = begins;
  for (const client::ArrivedEvent& event : piece.events) {
    if (event.offset != expected++) wrong("a gap before offset " + std::to_string(event.offset));
    std::uint64_t& heard = heard_[event.node];
    if (event.type != wire::EventType::events_lost) {
      ++heard;
      continue;
    }
    Reader in{event.fields};
    in.map();
    in.str();
    heard += in.uinteger();
  }
  if (piece.next != expected) wrong("the next offset does not follow the last event");
  places_[piece.collector] = piece.next;
}

}  // namespace baozi::sim
