#include "operator_process.hpp"

#include <algorithm>
#include <utility>

#include "frame_text.hpp"

namespace baozi::sim {

OperatorProcess::OperatorProcess(World& world, Network& network, Ledger& ledger, std::string name,
                                 client::ProducerOptions options, std::uint32_t queues,
                                 const Rules& rules)
    : Process{world, network, name, ""},
      ledger_{ledger},
      options_{std::move(options)},
      queues_{queues},
      rules_{rules} {
  options_.name = name;
  options_.role = wire::Role::admin;
}

void OperatorProcess::boot(Now now) {
  options_.incarnation = Incarnation{world_.chance.next()};
  options_.seed = world_.chance.next();
  options_.origin = make_uuid7(now.wall, world_.chance.next(), world_.chance.next());
  core_ = std::make_unique<client::ProducerCore>(options_, rules_);
  core_->start(now, effects_);
  asking_ = false;
  resumed_ = 0;
  plan_next();
}

void OperatorProcess::halt() {
  core_.reset();
  effects_.clear();
}

void OperatorProcess::plan_next() {
  later(world_.chance.spread(Micros{20'000}, Micros{700'000}), [this] {
    post([this](Now) {
      if (!asking_) act();
    });
    plan_next();
  });
}

void OperatorProcess::act() {
  const auto queue_of = [](std::uint8_t number) {
    return number == 0 ? std::string{"default"} : "q" + std::to_string(number);
  };
  if (winding_up_) {
    if (resumed_ < queues_) {
      queue_ = static_cast<std::uint8_t>(resumed_);
      return ask(Act::resume_queue, "queue.resume", Value::object({{"queue", queue_of(queue_)}}));
    }
    if (is_anyone_paused_()) ask(Act::resume_worker, "worker.resume", Value::object({}));
    return;
  }
  queue_ = static_cast<std::uint8_t>(world_.chance.index(queues_));
  const Value queue = Value::object({{"queue", queue_of(queue_)}});
  switch (world_.chance.index(9)) {
    case 0: return ask(Act::pause_queue, "queue.pause", queue);
    case 1:
    case 2: return ask(Act::resume_queue, "queue.resume", queue);
    case 3: return ask(Act::purge, "purge", queue);
    case 4:
      return ask(Act::pause_worker, "worker.pause", Value::object({{"destination", "worker[01]"}}));
    case 5: return ask(Act::resume_worker, "worker.resume", Value::object({}));
    case 6: return ask(Act::dead_list, "dead.list", Value::object({{"limit", 50}}));
    default: break;
  }
  if (known_dead_.empty()) return ask(Act::dead_list, "dead.list", Value::object({{"limit", 50}}));
  dead_ = known_dead_[world_.chance.index(known_dead_.size())];
  dead_generation_ = ledger_.of(*dead_).generation;
  const Value id = Value::object({{"id", dead_->to_string()}});
  switch (world_.chance.index(5)) {
    case 0: return ask(Act::dead_show, "dead.show", id);
    case 1: return ask(Act::dead_drop, "dead.drop", id);
    default: return ask(Act::dead_retry, "dead.retry", id);
  }
}

void OperatorProcess::ask(Act act, const std::string& command, Value arguments) {
  client::Question question;
  question.tag = client::Tag{next_tag_++};
  question.kind = client::Question::Kind::control;
  question.command = command;
  question.patience = Micros{3'000'000};
  if (act == Act::pause_worker || act == Act::resume_worker) {
    arguments["timeout_us"] = 1'000'000;
    arguments["once"] = name() + std::to_string(starts()) + "." + std::to_string(next_tag_);
  }
  question.arguments = pack(arguments);
  if (world_.logging) world_.say(name(), "asks " + command + " " + arguments.to_json());
  asking_ = true;
  asked_last_ = winding_up_;
  act_ = act;
  if (act == Act::purge) waiting_ = ledger_.purge_asked(queue_);
  if (act == Act::resume_queue) ledger_.queue_may_go_on(queue_);
  if (act == Act::dead_retry) ledger_.of(*dead_).retry_asked = true;
  core_->ask(std::move(question), now());
}

void OperatorProcess::turn(Now now) {
  core_->turn(now, effects_);
  for (const client::Answer& answer : effects_.answers) take(answer);
  effects_.answers.clear();
  perform(effects_.net);
  effects_.clear();
}

void OperatorProcess::take(const client::Answer& answer) {
  asking_ = false;
  if (act_ == Act::resume_queue && asked_last_ && answer.silent.empty() && answer.answered > 0)
    ++resumed_;
  if (act_ == Act::dead_list) known_dead_.clear();
  for (const client::Answer::Reply& reply : answer.replies) {
    if (world_.logging)
      world_.say(name(),
                 "    is told by " + reply.peer + ": " + unpack<Value>(reply.payload).to_json());
    if (reply.code != 0) continue;  // no such queue
    if (act_ == Act::pause_queue) ledger_.queue_is_paused(reply.peer, queue_);
    if (act_ == Act::purge) ledger_.purged(reply.peer, waiting_);
    if (act_ >= Act::dead_list) take_dead(reply);
  }
}

void OperatorProcess::take_dead(const client::Answer::Reply& reply) {
  const Value payload = unpack<Value>(reply.payload);
  const auto wrong = [&](const std::string& what) {
    world_.violation(name() + " is told by " + reply.peer + " of a dead letter: " + what + " " +
                     payload.to_json());
  };
  if (act_ == Act::dead_list) {
    for (const Value& letter : payload.at("letters").as_array()) {
      const TaskId id = TaskId::from_text(letter.at("id").as_string());
      const Truth& truth = ledger_.of(id);
      if (truth.dead_dropped) wrong("it was dropped before");
      known_dead_.push_back(id);
    }
    return;
  }
  Truth& truth = ledger_.of(*dead_);
  switch (act_) {
    case Act::dead_show:
      for (const Value& letter : payload.as_array()) {
        if (letter.at("id").as_string() != dead_->to_string()) wrong("another one");
      }
      break;
    case Act::dead_retry:
      if (payload.at("retried") == Value{0}) break;
      if (truth.generation <= dead_generation_) wrong("it is retried, and stands where it stood");
      std::erase(known_dead_, *dead_);
      break;
    case Act::dead_drop:
      if (payload.at("dropped") == Value{0}) break;
      truth.dead_dropped = true;
      std::erase(known_dead_, *dead_);
      break;
    default: break;
  }
}

bool OperatorProcess::is_idle() const {
  return core_ != nullptr && !asking_ && winding_up_ && resumed_ >= queues_ && !is_anyone_paused_();
}

std::string OperatorProcess::busy_with() const {
  if (core_ == nullptr) return "it is down";
  return std::to_string(resumed_) + " queues resumed" + (asking_ ? ", a question is open" : "");
}

}  // namespace baozi::sim
