/// \file collector_set.hpp
/// The collectors that the brokers named: a connection to each, the one that is home to our
/// results, and what must be asked of one after its session was lost. Results come by themselves:
/// HELLO is a standing watch on our origin. Threading: owned by the producer core. Source:
/// delivery.md D21, D22; speed.md decision 4.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "client/producer_effects.hpp"
#include "client/producer_peer.hpp"
#include "client/result_table.hpp"

namespace baozi::client {

class CollectorSet {
 public:
  struct Collector : ProducerPeer {
    using ProducerPeer::ProducerPeer;
    std::string key;  ///< the name that brokers list it under
    std::vector<std::string> endpoints;
    std::size_t which = 0;  ///< of them
    bool listed = true;
    MonoTime tried{};             ///< when the connection to this endpoint was asked for
    std::vector<TaskId> refetch;  ///< our pending ids when its session opened
    std::size_t refetched = 0;
    std::uint64_t refetch_request = 0;  ///< 0: none is out
    std::set<TaskId> refetch_open;      ///< of that request, not named by an answer yet
    MonoTime refetch_after{};           ///< it has too many questions: not before
    std::optional<MonoTime>
        watch_again;  ///< it did not take a WATCH: it is told again what is watched
  };

  CollectorSet(const ResultTable& results, const Rules& rules) : results_{results}, rules_{rules} {}

  /// What one broker lists now. Opens connections to new ones, and closes those that nobody lists
  /// and that are gone.
  void learn(actor::LinkId broker, const std::vector<wire::CollectorInfo>& list,
             std::uint32_t& next_link, Now now, Random& random, actor::NetEffects& net);
  /// The name to stamp into SUBMIT; empty while no collector is known. Noted as one that results
  /// may be at.
  const std::string& use_home();

  [[nodiscard]] Collector* find(actor::LinkId id);
  [[nodiscard]] const std::vector<std::unique_ptr<Collector>>& all() const { return collectors_; }

  /// Its session opened: results may have passed while we did not watch, and ids from elsewhere are
  /// to be watched.
  void on_open(Collector& collector, bool durable, Now now, actor::NetEffects& net);
  /// True when it answers one of our own look-ups after a lost session, as a whole or in part; the
  /// records are then the owner's.
  static bool on_fetched(Collector& collector, const wire::Fetched& message);
  /// True when it refuses one of them (too many questions wait there): asked again a little later.
  static bool on_refused(Collector& collector, std::uint64_t request, Now now);
  void on_lost(Collector& collector);
  /// It is overloaded, and what it did not take may have been a WATCH: it is sent again a little
  /// later.
  static void on_overloaded(Collector& collector, Now now) {
    collector.watch_again = now.mono + rewatch_patience;
  }

  /// The next look-up to each; the next endpoint for those that cannot be reached.
  void turn(std::uint32_t& next_link, bool durable, Now now, actor::NetEffects& net);
  void watch(std::span<const TaskId> ids, bool durable, Now now, actor::NetEffects& net);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  static constexpr std::uint64_t refetch_requests_from = std::uint64_t{1}
                                                         << 62U;  ///< apart from questions' numbers
  static constexpr Micros endpoint_patience{3'000'000};
  static constexpr Micros refused_patience{100'000};
  static constexpr Micros rewatch_patience{1'000'000};

 private:
  void open(Collector& collector, std::uint32_t& next_link, Now now, actor::NetEffects& net);
  /// WATCH for all ids from elsewhere that are waited for.
  void watch_all(Collector& collector, bool durable, Now now, actor::NetEffects& net);
  static void send_watches(Collector& collector, std::span<const TaskId> ids, bool durable, Now now,
                           actor::NetEffects& net);
  void fetch_next(Collector& collector, Now now, actor::NetEffects& net);

  const ResultTable& results_;
  const Rules rules_;
  std::map<actor::LinkId, std::vector<wire::CollectorInfo>> lists_;  // by broker
  std::vector<std::unique_ptr<Collector>> collectors_;
  std::string home_;
  std::set<std::string> homes_used_;
  std::uint64_t next_request_ = refetch_requests_from;
};

}  // namespace baozi::client
