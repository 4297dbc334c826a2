#include "client/requests.hpp"

#include <algorithm>

#include "baozi/codec.hpp"

namespace baozi::client {

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// What a peer said instead of an answer: a packed text.
std::string error_text(const Answer::Reply& reply) {
  Reader in{reply.payload};
  const std::string_view text = in.str();
  if (in.ok()) return std::string{text};
  return wire::to_string(static_cast<wire::ErrorCode>(reply.code));
}

void require_answers(Engine& engine, const Answer& answer, const char* whom) {
  if (!answer.refusals.empty()) {
    const Answer::Reply& refusal = answer.refusals.front();
    throw NoAnswer{refusal.peer + ": " + error_text(refusal)};
  }
  if (answer.answered > 0) return;
  const std::string why = engine.trouble();
  if (!why.empty()) throw NoAnswer{why};
  throw NoAnswer{answer.silent.empty() ? std::string{"no "} + whom + " is known"
                                       : joined(answer.silent) + ": no answer"};
}

template <class Each>
void in_chunks(const std::vector<TaskId>& ids, Each&& each) {
  for (std::size_t at = 0; at < ids.size(); at += Question::ids_max) {
    const std::size_t end = std::min(ids.size(), at + Question::ids_max);
    each(std::vector<TaskId>{ids.begin() + static_cast<std::ptrdiff_t>(at),
                             ids.begin() + static_cast<std::ptrdiff_t>(end)});
  }
}

}  // namespace

std::size_t forget(Engine& engine, const std::vector<TaskId>& ids) {
  std::size_t erased = 0;
  in_chunks(ids, [&](std::vector<TaskId> chunk) {
    Question question;
    question.kind = Question::Kind::forget;
    question.ids = std::move(chunk);
    const Answer answer = engine.ask(std::move(question));
    require_answers(engine, answer, "collector");
    if (!answer.silent.empty()) throw NoAnswer{joined(answer.silent) + ": no answer"};
    erased += answer.erased;
  });
  return erased;
}

namespace {

/// What no broker has may have ended: the collectors know.
void look_for_ends(Engine& engine, const std::vector<TaskId>& ids,
                   std::vector<Revocation>& revocations) {
  std::vector<TaskId> unknown;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (revocations[i].verdict == Revocation::Verdict::unknown) unknown.push_back(ids[i]);
  }
  if (unknown.empty()) return;
  Question question;
  question.kind = Question::Kind::fetch;
  question.ids = unknown;
  const Answer answer = engine.ask(std::move(question));
  for (const Answer::Found& found : answer.found) {
    if (!wire::is_terminal(found.state)) continue;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] != found.id || revocations[i].verdict != Revocation::Verdict::unknown) continue;
      revocations[i].verdict = Revocation::Verdict::too_late;
      revocations[i].state = static_cast<State>(found.state);
    }
  }
}

}  // namespace

std::vector<Revocation> revoke(Engine& engine, const std::vector<TaskId>& ids, bool terminate,
                               std::string_view signal) {
  std::vector<Revocation> revocations;
  in_chunks(ids, [&](std::vector<TaskId> chunk) {
    Question question;
    question.kind = Question::Kind::revoke;
    question.ids = std::move(chunk);
    question.terminate = terminate;
    question.signal = signal;
    const std::vector<TaskId> asked = question.ids;
    const Answer answer = engine.ask(std::move(question));
    require_answers(engine, answer, "broker");
    const std::string unasked = joined(answer.silent);
    std::vector<Revocation> found;
    for (const Answer::Verdict& verdict : answer.verdicts) {
      found.push_back({static_cast<Revocation::Verdict>(verdict.verdict),
                       static_cast<State>(verdict.state), unasked});
    }
    look_for_ends(engine, asked, found);
    revocations.insert(revocations.end(), found.begin(), found.end());
  });
  return revocations;
}

NodeReplies control(Engine& engine, Asked whom, std::string_view command, const Value& arguments,
                    Micros peers_patience) {
  Question question;
  question.kind = Question::Kind::control;
  question.of_collectors = whom == Asked::collectors;
  question.peers_patience = peers_patience;
  question.command = command;
  if (!arguments.is_null()) question.arguments = pack(arguments);
  Answer answer = engine.ask(std::move(question));
  NodeReplies replies;
  for (const Answer::Reply& reply : answer.replies) {
    NodeReply& one = replies.replies.emplace_back();
    one.node = reply.peer;
    if (reply.code != 0) {
      one.error = error_text(reply);
    } else if (!reply.payload.empty()) {
      try {
        one.payload = unpack<Value>(reply.payload);
      } catch (const DecodeError& error) {
        one.error = std::string{"its answer cannot be read: "} + error.what();
      }
    }
  }
  replies.silent = std::move(answer.silent);
  if (replies.replies.empty())
    require_answers(engine, answer, whom == Asked::collectors ? "collector" : "broker");
  return replies;
}

}  // namespace baozi::client
