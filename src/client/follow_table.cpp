#include "client/follow_table.hpp"

namespace baozi::client {

void FollowTable::more(Tag tag, const std::string& collector) {
  const auto stream = streams_.find(tag);
  if (stream == streams_.end()) return;
  const auto place = stream->second.places.find(collector);
  if (place != stream->second.places.end()) place->second.taken = true;
}

void FollowTable::on_followed(const CollectorSet::Collector& collector,
                              const wire::Followed& message, ProducerEffects& out) {
  for (auto& [tag, stream] : streams_) {
    const auto found = stream.places.find(collector.key);
    if (found == stream.places.end() || found->second.request != message.request) continue;
    Place& place = found->second;
    place.request = 0;
    place.from = message.next;
    place.taken = false;
    ArrivedEvents& arrived = out.events.emplace_back();
    arrived.tag = tag;
    arrived.collector = collector.key;
    arrived.next = message.next;
    arrived.lost = message.lost;
    arrived.anew = (message.flags & wire::flag::followed_anew) != 0 || place.anew;
    place.anew = false;
    place.history = collector.link.welcome().incarnation;
    for (const wire::FollowedGroup& group : message.groups) {
      for (const wire::FollowedEntry& entry : group.entries) {
        const wire::EventView& event = entry.event;
        arrived.events.push_back({.offset = entry.offset,
                                  .type = event.type,
                                  .time_us = event.time_us,
                                  .node = std::string{group.node},
                                  .id = event.has_id ? event.id.to_id().to_string() : std::string{},
                                  .name = std::string{event.name},
                                  .fields = Bytes{event.fields}});
      }
    }
    return;
  }
}

void FollowTable::on_lost(const std::string& collector) {
  for (auto& [tag, stream] : streams_) {
    const auto place = stream.places.find(collector);
    if (place != stream.places.end()) place->second.request = 0;
  }
}

void FollowTable::turn(const std::vector<std::unique_ptr<CollectorSet::Collector>>& collectors,
                       Now now, actor::NetEffects& net) {
  for (auto& [tag, stream] : streams_) {
    for (const auto& collector : collectors) {
      const auto [place_at, fresh] = stream.places.try_emplace(collector->key);
      Place& place = place_at->second;
      if (fresh) {
        const auto own = stream.wish.from_of.find(collector->key);
        place.from = own != stream.wish.from_of.end() ? own->second : stream.wish.from;
      }
      if (!collector->link.is_open()) {
        place.request = 0;
        continue;
      }
      if (place.request != 0 || !place.taken) continue;
      // A collector that was restarted has begun a new history. Its offsets are higher than before
      // unless its clock was moved back, so they alone do not always tell.
      if (place.history != 0 && place.history != collector->link.welcome().incarnation) {
        place.from = place.history = 0;
        place.anew = true;
      }
      wire::Follow message;
      message.request = place.request = next_request_++;
      message.from = place.from;
      message.count_max = stream.wish.count_max;
      message.bytes_max = stream.wish.bytes_max;
      message.types = stream.wish.types;
      message.names.assign(stream.wish.names.begin(), stream.wish.names.end());
      collector->send(message, now, net);
    }
  }
}

}  // namespace baozi::client
