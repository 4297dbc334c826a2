#include "broker/worker_questions.hpp"

#include <algorithm>
#include <utility>

#include "baozi/packing.hpp"
#include "wire/map_writer.hpp"

namespace baozi::broker {

namespace {

constexpr std::size_t frame_overhead = 64;  // around an answer

/// Whether it can stand within the answer, which is some levels of nesting above it.
bool nests(BytesView payload) {
  Bytes wrapped = "\x91\x91\x91\x91\x91";
  wrapped.append(payload);
  Reader in{wrapped};
  in.skip();
  return in.ok() && in.at_end();
}

Bytes packed_text(std::string_view text) {
  Bytes bytes;
  Writer{bytes}.str(text);
  return bytes;
}

constexpr auto too_large = static_cast<std::uint64_t>(wire::ErrorCode::too_large);
constexpr auto malformed = static_cast<std::uint64_t>(wire::ErrorCode::malformed);

}  // namespace

bool WorkerQuestions::open(Question question) {
  if (open_.size() >= limits_.questions_max ||
      bytes_ + question.arguments.size() > limits_.bytes_max)
    return false;
  Open& open = open_[next_number_++];
  for (Addressee& who : question.addressees) {
    const Standing standing = who.silent.empty() ? Standing::unsent : Standing::lost;
    if (who.silent.empty()) ++open.owing;
    open.workers.push_back({.who = std::move(who), .standing = standing, .code = 0, .payload = {}});
  }
  question.addressees.clear();
  open.bytes = question.arguments.size();
  bytes_ += open.bytes;
  open.question = std::move(question);
  askings_due_ = true;
  return true;
}

void WorkerQuestions::on_reply(std::uint64_t worker_session, const wire::Reply& reply) {
  const auto found = open_.find(reply.request);
  if (found == open_.end()) return;
  Open& open = found->second;
  const auto worker =
      std::find_if(open.workers.begin(), open.workers.end(), [&](const Worker& one) {
        return one.standing == Standing::sent && one.who.session == worker_session;
      });
  if (worker == open.workers.end()) return;
  worker->standing = Standing::answered;
  worker->code = reply.code;
  --open.owing;
  if (reply.payload.size() > limits_.answer_bytes_max ||
      bytes_ + reply.payload.size() > limits_.bytes_max) {
    worker->code = too_large;
    worker->payload =
        packed_text("its answer has " + std::to_string(reply.payload.size()) + " bytes");
  } else if (!nests(reply.payload)) {
    worker->code = malformed;
    worker->payload = packed_text("its answer is nested too deeply");
  } else {
    worker->payload = reply.payload;
  }
  open.bytes += worker->payload.size();
  bytes_ += worker->payload.size();
}

void WorkerQuestions::on_worker(std::uint64_t incarnation, std::uint64_t session) {
  askings_due_ = askings_due_ || !open_.empty();
  for (auto& [number, open] : open_) {
    for (Worker& worker : open.workers) {
      if (worker.who.incarnation == incarnation && worker.standing == Standing::unsent)
        worker.who.session = session;
    }
  }
}

void WorkerQuestions::on_session_ended(std::uint64_t session) {
  for (auto at = open_.begin(); at != open_.end();) {
    Open& open = at->second;
    for (Worker& worker : open.workers) {
      if (worker.who.session != session) continue;
      if (worker.standing == Standing::unsent) {
        worker.who.session = 0;  // it was not asked yet: there is still time
      } else if (worker.standing == Standing::sent) {
        worker.standing = Standing::lost;  // it may have obeyed: asking again could do it twice
        --open.owing;
      }
    }
    const auto next = std::next(at);
    if (open.question.session == session) close(at);
    at = next;
  }
}

std::vector<WorkerQuestions::Asking> WorkerQuestions::take_askings() {
  std::vector<Asking> askings;
  if (!std::exchange(askings_due_, false)) return askings;
  for (auto& [number, open] : open_) {
    for (Worker& worker : open.workers) {
      if (worker.standing != Standing::unsent || worker.who.session == 0) continue;
      worker.standing = Standing::sent;
      askings.push_back({worker.who.session,
                         {.request = number,
                          .command = open.question.command,
                          .arguments = open.question.arguments}});
    }
  }
  return askings;
}

std::vector<WorkerQuestions::Finished> WorkerQuestions::take_finished(MonoTime now) {
  std::vector<Finished> finished;
  for (auto at = open_.begin(); at != open_.end();) {
    const auto next = std::next(at);
    const Open& open = at->second;
    if (open.owing == 0 || open.question.deadline <= now) {
      Finished& one = finished.emplace_back();
      one.session = open.question.session;
      one.request = open.question.request;
      one.payload = answer(open);
      if (one.payload.size() + frame_overhead > limits_.frame_bytes_max) {
        one.code = too_large;
        one.payload = packed_text("the names of " + std::to_string(open.workers.size()) +
                                  " workers do not fit into one frame: name fewer destinations");
      }
      close(at);
    }
    at = next;
  }
  return finished;
}

Bytes WorkerQuestions::answer(const Open& open) const {
  const Bytes left_out = packed_text(
      "its answer does not fit into one frame with those before it: name fewer destinations");
  // What must stand there in any case, so that nobody's answer crowds out another's name.
  std::size_t room = limits_.frame_bytes_max;
  const auto reserve = [&](std::size_t bytes) { room -= std::min(room, bytes); };
  reserve(frame_overhead + 64);
  for (const Worker& worker : open.workers) reserve(worker.who.name.size() + left_out.size() + 64);
  for (const std::string& pattern : open.question.missing) reserve(pattern.size() + 8);
  wire::MapWriter answer;
  Writer& workers = answer.key("workers");
  workers.array(open.workers.size());
  for (const Worker& worker : open.workers) {
    wire::MapWriter entry;
    entry.text("name", worker.who.name);
    entry.number("incarnation", worker.who.incarnation);
    switch (worker.standing) {
      case Standing::answered: {
        const bool fits = worker.payload.size() <= room;
        if (fits) reserve(worker.payload.size());
        const std::uint64_t code = fits ? worker.code : too_large;
        entry.number("code", code);
        Writer& value = entry.key(code == 0 ? "answer" : "error");
        if (const BytesView payload = fits ? worker.payload : left_out; payload.empty()) {
          value.nil();
        } else {
          value.raw(payload);
        }
        break;
      }
      case Standing::lost:
        entry.text("silent", worker.who.silent.empty()
                                 ? std::string_view{"its connection was lost after it was asked"}
                                 : std::string_view{worker.who.silent});
        break;
      case Standing::sent: entry.text("silent", "it did not answer in time"); break;
      case Standing::unsent: entry.text("silent", "it is not connected"); break;
    }
    workers.raw(entry.take());
  }
  Writer& missing = answer.key("missing");
  missing.array(open.question.missing.size());
  for (const std::string& pattern : open.question.missing) missing.str(pattern);
  return answer.take();
}

void WorkerQuestions::close(std::map<std::uint64_t, Open>::iterator at) {
  bytes_ -= at->second.bytes;
  open_.erase(at);
}

std::optional<MonoTime> WorkerQuestions::next_deadline() const {
  std::optional<MonoTime> next;
  for (const auto& [number, open] : open_) {
    if (!next || open.question.deadline < *next) next = open.question.deadline;
  }
  return next;
}

}  // namespace baozi::broker
