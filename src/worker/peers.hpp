/// \file peers.hpp
/// What a worker knows of each broker and each collector that it talks to.
/// Threading: owned by one core.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actor/link.hpp"
#include "actor/peer.hpp"
#include "worker/number_index.hpp"
#include "worker/result_queue.hpp"
#include "worker/settle_queue.hpp"

namespace baozi::worker {

struct BrokerPeer {
  std::uint32_t index = 0;
  std::string endpoint;
  actor::LinkId id{};
  actor::Link link;
  std::uint64_t session = 0;           ///< counts its sessions with us
  bool stale = false;                  ///< D3: not heard for two thirds of the liveness
  bool finished = false;               ///< GOODBYE was said
  std::uint64_t policies_version = 0;  ///< of what it was told of our tasks

  NumberIndex numbers;        ///< of every delivery of its that we hold
  std::uint64_t entries = 0;  ///< deliveries of its in the table, whatever their phase
  std::uint64_t ready = 0;
  std::uint64_t pooled = 0;
  std::uint64_t resting = 0;  ///< of `ready`: wait for their rate limit, beside the credit
  std::uint64_t resting_bytes = 0;
  std::uint64_t coroutines = 0;  ///< of `pooled`: take no slot, and are beside the credit, too
  std::uint64_t coroutine_bytes = 0;
  std::vector<Slot>
      dropped;  ///< D3: given up unstarted; told to the broker if its session lives on
  SettleQueue settlements;

  // Credit, of this session.
  std::uint64_t delivered = 0;
  std::uint64_t returned = 0;
  std::uint64_t returned_bytes = 0;
  std::uint64_t ceiling = 0;  ///< what it should be
  std::uint64_t bytes_ceiling = 0;
  std::uint64_t told_returned = 0;  ///< what the last CREDIT said
  std::uint64_t told_ceiling = 0;
  bool told = false;      ///< this session has seen a CREDIT
  MonoTime busy_until{};  ///< it had something for us not long ago
  std::optional<MonoTime> flush_at;

  std::vector<wire::CollectorInfo> collectors;  ///< as it listed them last
  std::vector<std::string>
      full_queues;  ///< follow-ups there are a failure (D25); empty text: its default queue

  [[nodiscard]] std::uint64_t held() const { return ready + pooled; }
  /// Deliveries that it believes to be in our hands.
  [[nodiscard]] std::uint64_t outstanding() const { return delivered - told_returned; }
};

/// A state that a task reported while it runs; not kept beyond the turn.
struct StateNote {
  wire::IdView id() const { return {uuid, id_bytes}; }
  bool uuid = true;
  Bytes id_bytes;
  Bytes origin;
  std::string state;
  Bytes meta;
};

struct CollectorPeer {
  std::string name;
  std::vector<std::string> endpoints;  ///< as listed; empty: known only as somebody's home
  std::size_t endpoint = 0;            ///< the one that is tried
  std::optional<actor::LinkId> id;     ///< none: no connection is made
  actor::Link link;
  bool listed = false;
  bool finished = false;     ///< GOODBYE was said
  bool reached = false;      ///< this connection had a session
  bool takes_events = true;  ///< false: it is older and knows no EVENTS
  bool gets_events = false;  ///< ours go there, in this session
  std::uint64_t users = 0;   ///< deliveries in the table that name it
  MonoTime tried_since{};    ///< when this endpoint was first tried, or its session was lost
  ResultQueue results;
  std::vector<StateNote> states;
};

}  // namespace baozi::worker
