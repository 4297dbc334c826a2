/// \file producer_effects.hpp
/// What a ProducerCore asks of its shell: frames and connections, and what to tell the callers.
/// Threading: values. Views in it point into the frame that was just handled: use them before it is
/// freed.
#pragma once
#include <string>
#include <vector>

#include "actor/effects.hpp"
#include "base/ids.hpp"
#include "client/submission.hpp"
#include "wire/message.hpp"

namespace baozi::client {

/// Why a task was not confirmed.
enum class Fate : std::uint8_t {
  not_sent,  ///< no broker took it before its deadline; it does not exist
  rejected,  ///< a broker refused it for good; it does not exist
  unknown,   ///< it was sent and its confirm did not come in time: it may exist (delivery.md D7)
  closed,    ///< the producer was closed before it was sent
};

struct SubmitFailure {
  Tag tag{};
  Fate fate{};
  wire::Reason reason = wire::Reason::none;
  std::string text;
  bool awaited = false;  ///< its result was awaited, and no more is
};

struct Duplicate {
  Tag tag{};
  TaskId first;          ///< the task that holds the key, and is durable
  bool awaited = false;  ///< its result is awaited instead of the own one
};

struct ArrivedResult {
  Tag tag{};
  wire::RecordView record;
  std::string_view worker;
};

struct ArrivedState {
  Tag tag{};
  std::string_view state;
  BytesView meta;
  std::string_view worker;
};

/// The answer to a question, put together from those that answered.
struct Answer {
  struct Found {
    TaskId id;
    wire::TaskState state = wire::TaskState::pending;
    std::string worker;
    Bytes record;  ///< packed; empty while there is no result
  };
  struct Verdict {
    wire::Verdict verdict = wire::Verdict::unknown;
    wire::TaskState state = wire::TaskState::pending;  ///< too_late: how it had ended
  };
  struct Reply {
    std::string peer;
    std::uint64_t code =
        0;  ///< 0: done; otherwise a wire::ErrorCode and `payload` is a packed text
    Bytes payload;
  };
  Tag tag{};
  std::vector<Found> found;         ///< fetch: one for each id that was asked for, in order
  std::uint64_t erased = 0;         ///< forget: results that were erased
  std::vector<Verdict> verdicts;    ///< revoke: one for each id, in order
  std::vector<Reply> replies;       ///< control: one for each broker that answered
  std::vector<Reply> refusals;      ///< fetch, forget, revoke: peers that answered with an error
  std::size_t answered = 0;         ///< peers that answered, an error included
  std::vector<std::string> silent;  ///< who could not be asked, or did not answer in time
};

struct ArrivedEvent {
  std::uint64_t offset = 0;
  wire::EventType type{};
  std::int64_t time_us = 0;
  std::string node;
  std::string id;    ///< of the task; empty: none
  std::string name;  ///< likewise
  Bytes fields;      ///< a packed map
};

/// A piece of a stream of events, from one collector. The next one comes when `FollowTable::more`
/// was called.
struct ArrivedEvents {
  Tag tag{};
  std::string collector;
  std::vector<ArrivedEvent> events;
  std::uint64_t next = 0;
  std::uint64_t lost = 0;
  bool anew = false;
};

struct ProducerEffects {
  actor::NetEffects net;
  std::vector<Tag> confirmed;
  std::vector<SubmitFailure> failed;
  std::vector<Duplicate> duplicates;
  std::vector<ArrivedResult> results;
  std::vector<ArrivedState> states;
  std::vector<Answer> answers;
  std::vector<ArrivedEvents> events;
  std::vector<Tag> given_up;  ///< results that are awaited no more, since the producer was closed

  void clear() {
    net.clear();
    confirmed.clear();
    failed.clear();
    duplicates.clear();
    results.clear();
    states.clear();
    answers.clear();
    events.clear();
    given_up.clear();
  }
};

}  // namespace baozi::client
