#include "client/question_table.hpp"

#include <algorithm>
#include <utility>

namespace baozi::client {

namespace {

/// How much an answer about a task says; the most telling one of several collectors is shown.
int weight(wire::TaskState state) {
  return wire::is_terminal(state) ? 10 : static_cast<int>(state);
}

int weight(wire::Verdict verdict) {
  switch (verdict) {
    case wire::Verdict::revoked: return 3;
    case wire::Verdict::pending: return 2;
    case wire::Verdict::too_late: return 1;
    case wire::Verdict::unknown: break;
  }
  return 0;
}

/// REPLY to REVOKE: an array with `[id, verdict, state]` for each different id.
void merge_verdicts(BytesView payload, const std::vector<TaskId>& ids,
                    std::vector<Answer::Verdict>& verdicts) {
  std::map<TaskId, Answer::Verdict> given;
  Reader in{payload};
  const std::uint32_t count = in.array();
  for (std::uint32_t i = 0; i < count && i < ids.size() && in.ok(); ++i) {
    const std::uint32_t fields = in.array();
    const wire::IdView id = wire::read_id(in);
    const std::uint64_t verdict = in.uinteger();
    const std::uint64_t state = in.uinteger();
    for (std::uint32_t k = 3; k < fields && in.ok(); ++k) in.skip();
    if (!in.ok() || verdict > 3 || state > 7) break;
    given[id.to_id()] = {static_cast<wire::Verdict>(verdict), static_cast<wire::TaskState>(state)};
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {  // the same id may stand there twice
    const auto found = given.find(ids[i]);
    if (found == given.end()) continue;
    if (weight(found->second.verdict) > weight(verdicts[i].verdict)) verdicts[i] = found->second;
  }
}

std::vector<wire::IdView> views(const std::vector<TaskId>& ids) {
  std::vector<wire::IdView> list;
  list.reserve(ids.size());
  for (const TaskId& id : ids) list.push_back(wire::view_of(id));
  return list;
}

}  // namespace

void QuestionTable::ask(Question question, Now now) {
  Open open;
  open.deadline = now.mono + question.patience + question.peers_patience;
  open.answer.tag = question.tag;
  if (question.kind == Question::Kind::revoke) open.answer.verdicts.resize(question.ids.size());
  if (question.kind == Question::Kind::fetch) {
    for (const TaskId& id : question.ids)
      open.answer.found.push_back({id, wire::TaskState::pending, {}, {}});
  }
  open.question = std::move(question);
  open_.emplace(next_request_++, std::move(open));
}

QuestionTable::Open* QuestionTable::expecting(std::uint64_t request, const ProducerPeer& peer) {
  const auto found = open_.find(request);
  if (found == open_.end()) return nullptr;
  const auto standing = found->second.peers.find(peer.id);
  if (standing == found->second.peers.end() || standing->second != Standing::asked) return nullptr;
  return &found->second;
}

void QuestionTable::on_fetched(ProducerPeer& peer, const wire::Fetched& message) {
  Open* const open = expecting(message.request, peer);
  if (open == nullptr || open->question.kind != Question::Kind::fetch) return;
  // Large records come in several frames: the answer is complete when every id was named.
  std::set<TaskId>& named = open->named[peer.id];
  for (const wire::FetchedEntry& entry : message.entries) {
    const TaskId id = entry.id.to_id();
    named.insert(id);
    for (Answer::Found& found : open->answer.found) {
      if (found.id != id || weight(entry.state) <= weight(found.state)) continue;
      found.state = entry.state;
      found.worker = entry.worker;
      found.record = entry.record;
    }
  }
  const std::vector<TaskId>& ids = open->question.ids;
  const bool complete =
      std::all_of(ids.begin(), ids.end(), [&](const TaskId& id) { return named.contains(id); });
  if (!complete) return;
  open->named.erase(peer.id);
  open->peers[peer.id] = Standing::answered;
}

void QuestionTable::on_reply(ProducerPeer& peer, const wire::Reply& message) {
  Open* const open = expecting(message.request, peer);
  if (open == nullptr) return;
  open->named.erase(peer.id);
  open->peers[peer.id] = Standing::answered;
  Answer& answer = open->answer;
  Answer::Reply reply{peer.label(), message.code, Bytes{message.payload}};
  if (open->question.kind == Question::Kind::control) {
    answer.replies.push_back(std::move(reply));
  } else if (message.code != 0) {
    answer.refusals.push_back(std::move(reply));
  } else if (open->question.kind == Question::Kind::revoke) {
    merge_verdicts(message.payload, open->question.ids, answer.verdicts);
  } else if (open->question.kind == Question::Kind::forget) {
    Reader in{message.payload};
    answer.erased += in.uinteger();
  }
}

void QuestionTable::on_lost(const ProducerPeer& peer) {
  for (auto& [request, open] : open_) {
    const auto standing = open.peers.find(peer.id);
    if (standing == open.peers.end() || standing->second != Standing::asked) continue;
    open.named.erase(peer.id);
    // A purge that was done, but whose answer was lost, would say "0 purged" the second time.
    const bool again = open.question.kind != Question::Kind::control;
    standing->second = again ? Standing::unasked : Standing::lost;
  }
}

void QuestionTable::turn(const std::vector<ProducerPeer*>& brokers,
                         const std::vector<ProducerPeer*>& collectors, Now now,
                         ProducerEffects& out) {
  for (auto at = open_.begin(); at != open_.end();) {
    Open& open = at->second;
    const auto& peers = open.question.is_for_brokers() ? brokers : collectors;
    for (ProducerPeer* peer : peers) {
      Standing& standing = open.peers.try_emplace(peer->id, Standing::unasked).first->second;
      if (standing != Standing::unasked || !peer->link.is_open()) continue;
      standing = Standing::asked;
      send(at->first, open, *peer, now, out);
    }
    if (!is_complete(open, peers) && now.mono < open.deadline) {
      ++at;
      continue;
    }
    for (const ProducerPeer* peer : peers) {
      if (open.peers[peer->id] == Standing::answered) {
        ++open.answer.answered;
      } else {
        open.answer.silent.push_back(peer->label());
      }
    }
    out.answers.push_back(std::move(open.answer));
    at = open_.erase(at);
  }
}

bool QuestionTable::is_complete(const Open& open, const std::vector<ProducerPeer*>& peers) {
  if (open.question.kind == Question::Kind::fetch &&
      std::all_of(open.answer.found.begin(), open.answer.found.end(),
                  [](const Answer::Found& found) { return wire::is_terminal(found.state); })) {
    return true;
  }
  return !peers.empty() && std::all_of(peers.begin(), peers.end(), [&](const ProducerPeer* peer) {
    const auto standing = open.peers.find(peer->id);
    return standing != open.peers.end() &&
           (standing->second == Standing::answered || standing->second == Standing::lost);
  });
}

void QuestionTable::send(std::uint64_t request, const Open& open, ProducerPeer& peer, Now now,
                         ProducerEffects& out) {
  const Question& question = open.question;
  switch (question.kind) {
    case Question::Kind::fetch:
      return peer.send(wire::Fetch{request, views(question.ids)}, now, out.net);
    case Question::Kind::forget:
      return peer.send(wire::Forget{request, views(question.ids)}, now, out.net);
    case Question::Kind::revoke: {
      const std::uint64_t flags = question.terminate ? wire::flag::revoke_terminate : 0;
      return peer.send(wire::Revoke{request, flags, views(question.ids), question.signal}, now,
                       out.net);
    }
    case Question::Kind::control:
      return peer.send(wire::Control{request, question.command, question.arguments}, now, out.net);
  }
}

std::optional<MonoTime> QuestionTable::next_deadline() const {
  std::optional<MonoTime> due;
  for (const auto& [request, open] : open_)
    due = due ? std::min(*due, open.deadline) : open.deadline;
  return due;
}

void QuestionTable::close(ProducerEffects& out) {
  for (auto& [request, open] : open_) out.answers.push_back(std::move(open.answer));
  open_.clear();
}

}  // namespace baozi::client
