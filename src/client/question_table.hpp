/// \file question_table.hpp
/// Questions to every broker or every collector, and one answer put together from theirs: look up,
/// forget, revoke, control. A peer that comes back in time is asked again, except where doing it
/// twice would say something else. Threading: owned by the producer core. Source: delivery.md D21,
/// D28.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/producer_effects.hpp"
#include "client/producer_peer.hpp"

namespace baozi::client {

struct Question {
  enum class Kind : std::uint8_t {
    fetch,    ///< collectors: how do these tasks stand?
    forget,   ///< collectors: erase these results
    revoke,   ///< brokers: end these tasks
    control,  ///< brokers, or collectors: `command` with `arguments`
  };
  static constexpr std::size_t ids_max = 1'000;

  Tag tag{};
  Kind kind{};
  std::vector<TaskId> ids;     ///< up to `ids_max`
  bool terminate = false;      ///< revoke: end it even when it runs
  bool of_collectors = false;  ///< control: asks them and not the brokers
  std::string signal;          ///< with terminate; empty: the worker's default
  std::string command;
  Bytes arguments;  ///< a packed map; empty: none
  Micros patience{5'000'000};
  Micros peers_patience{0};  ///< what the peers may take for others' answers, besides

  [[nodiscard]] bool is_for_brokers() const {
    return kind == Kind::revoke || (kind == Kind::control && !of_collectors);
  }
};

class QuestionTable {
 public:
  void ask(Question question, Now now);
  void on_fetched(ProducerPeer& peer, const wire::Fetched& message);
  void on_reply(ProducerPeer& peer, const wire::Reply& message);
  void on_lost(const ProducerPeer& peer);

  /// Sends what is to be sent to those peers, and answers what is complete or overdue.
  void turn(const std::vector<ProducerPeer*>& brokers, const std::vector<ProducerPeer*>& collectors,
            Now now, ProducerEffects& out);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  [[nodiscard]] bool empty() const { return open_.empty(); }
  void close(ProducerEffects& out);

 private:
  enum class Standing : std::uint8_t { unasked, asked, answered, lost };
  struct Open {
    Question question;
    MonoTime deadline{};
    std::map<actor::LinkId, Standing> peers;
    std::map<actor::LinkId, std::set<TaskId>> named;  // fetch: by those whose answer is in parts
    Answer answer;
  };
  static void send(std::uint64_t request, const Open& open, ProducerPeer& peer, Now now,
                   ProducerEffects& out);
  static bool is_complete(const Open& open, const std::vector<ProducerPeer*>& peers);
  /// The question, when this peer was asked it and did not answer yet.
  Open* expecting(std::uint64_t request, const ProducerPeer& peer);

  std::map<std::uint64_t, Open> open_;  // by request number
  std::uint64_t next_request_ = 1;
};

}  // namespace baozi::client
