// What the broker says of itself: CONTROL "status".
#include <algorithm>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"
#include "wire/map_writer.hpp"

namespace baozi::broker {

using wire::MapWriter;

Bytes BrokerCore::status_payload(Now now) {
  MapWriter status;
  MapWriter node;
  node.text("role", "broker");
  node.text("name", options_.name);
  node.text("version", options_.version);
  node.number("pid", options_.pid);
  node.number("epoch", epoch_);
  node.number("commits", committed_);
  node.number("uptime_us", static_cast<std::uint64_t>((now.mono - started_).count()));
  node.key("holding").boolean(holding_);
  node.key("draining").boolean(draining_);
  node.key("store_full").boolean(store_full_ || free_bytes_ < options_.reserve_bytes);
  status.key("node").raw(node.take());

  std::uint64_t leased = 0;
  for (std::uint32_t i = 0; i < queues_.size(); ++i) leased += queues_[i].leased;
  MapWriter books;
  books.number("accepted", books_.accepted);
  books.number("succeeded", books_.succeeded);
  books.number("failed", books_.failed);
  MapWriter revoked;
  revoked.number("asked", books_.revoked);
  revoked.number("expired", books_.expired);
  revoked.number("dropped", books_.dropped);
  revoked.number("purged", books_.purged);
  books.key("revoked").raw(revoked.take());
  books.number("dead", books_.dead);
  books.number("dead_dropped", books_.dead_dropped);
  books.number("leased", leased);
  books.number("queued", open_tasks() - leased);
  books.key("balanced").boolean(books_.accepted == books_.ended() + open_tasks());
  status.key("books").raw(books.take());

  Writer& peers = status.key("peers");
  peers.array(sessions_.size());
  sessions_.for_each([&](actor::Session& session) {
    MapWriter peer;
    peer.text("role", wire::to_string(session.role));
    peer.text("name", session.name);
    peer.number("session", session.number);
    peer.number("silent_us", static_cast<std::uint64_t>((now.mono - session.last_heard).count()));
    if (const Worker* const worker =
            session.role == wire::Role::worker ? worker_of_session(session) : nullptr) {
      peer.number("concurrency", worker->concurrency);
      peer.number("credit", worker->credit);
      peer.number("leases", worker->lease_count);
      Writer& names = peer.key("queues");
      const auto is_plain = [this](std::uint32_t number) { return queues_[number].labels.empty(); };
      names.array(static_cast<std::size_t>(
          std::count_if(worker->queues.begin(), worker->queues.end(), is_plain)));
      for (const std::uint32_t number : worker->queues) {
        if (is_plain(number)) names.str(queues_[number].name);
      }
      if (!worker->labels.empty()) {
        Writer& labels = peer.key("labels");
        labels.array(worker->labels.size());
        for (const std::string& label : worker->labels) labels.str(label);
      }
    }
    peers.raw(peer.take());
  });

  const actor::SessionTable::Counters& sessions = sessions_.counters();
  MapWriter counters;
  const std::pair<std::string_view, std::uint64_t> all[] = {
      {"submits", counters_.submits},
      {"submit_duplicates", counters_.submit_duplicates},
      {"submit_out_of_sequence", counters_.submit_out_of_sequence},
      {"submit_full", counters_.submit_full},
      {"submit_rejected", counters_.submit_rejected},
      {"delivered", counters_.delivered},
      {"redelivered", counters_.redelivered},
      {"done", counters_.done},
      {"done_held", counters_.done_held},
      {"done_overdue", counters_.done_overdue},
      {"stale_done", counters_.stale_done},
      {"foreign_done", counters_.foreign_done},
      {"cancelled_pairs", counters_.cancelled_pairs},
      {"adopted", counters_.adopted},
      {"orphans", counters_.orphans},
      {"orphans_given_up", counters_.orphans_given_up},
      {"lost_workers", counters_.lost_workers},
      {"lost_deliveries", counters_.lost_deliveries},
      {"carried", counters_.carried},
      {"winners", counters_.winners},
      {"not_allowed", counters_.not_allowed},
      {"bad_messages", counters_.bad_messages},
      {"corrupt_rows", counters_.corrupt_rows},
      {"producers_expired", counters_.producers_expired},
      {"producers_dropped", counters_.producers_dropped},
      {"books_mismatch", counters_.books_mismatch},
      {"duplicates", counters_.duplicates},
      {"duplicate_follow_ups", counters_.duplicate_follow_ups},
      {"once_too_late", counters_.once_too_late},
      {"once_full", counters_.once_full},
      {"once_unmarked", counters_.once_unmarked},
      {"passed_on", counters_.passed_on},
      {"passed_on_refused", counters_.passed_on_refused},
      {"moved", counters_.moved},
      {"malformed_frames", sessions.malformed},
      {"too_large_frames", sessions.too_large},
      {"unknown_versions", sessions.unknown_version},
      {"unknown_types", sessions.unknown_type},
      {"frames_without_session", sessions.no_session},
      {"duplicate_frames", sessions.duplicates},
      {"gaps", sessions.gaps},
      {"old_hellos", sessions.old_hellos},
      {"overloaded", sessions.overloaded},
      {"silent_peers", sessions.expired},
      {"slept", sessions.slept},
  };
  for (const auto& [name, value] : all) counters.number(name, value);
  for (const auto& [name, value] : shell_counters_) counters.number(name, value);
  status.key("counters").raw(counters.take());

  MapWriter kept;  // what grows with use, and is bounded (delivery.md D31)
  kept.number("producers", producers_.size());
  kept.number("roster", roster_.size());
  kept.number("orphans", orphans_.size());
  kept.number("claims", claims_.size());
  kept.number("endings", endings_open_);
  kept.number("held_done", held_count_);
  kept.number("revocations", revocations_.size());
  kept.number("once_marks", once_.size());
  kept.number("outbox", tasks_for_peers());
  kept.number("dead_letters", dead_.size());
  kept.number("dead_bytes", dead_bytes_);
  status.key("kept").raw(kept.take());
  if (!peers_.empty()) status.key("brokers").raw(peers_payload(now));
  status.key("queues").raw(queues_payload());
  return status.take();
}

}  // namespace baozi::broker
