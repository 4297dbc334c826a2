#include "producer_process.hpp"

#include <iterator>
#include <utility>

#include "baozi/value.hpp"
#include "base/rendezvous.hpp"
#include "frame_text.hpp"

namespace baozi::sim {

namespace {

const char* to_string(client::Fate fate) {
  switch (fate) {
    case client::Fate::not_sent: return "not sent";
    case client::Fate::rejected: return "rejected";
    case client::Fate::unknown: return "unknown";
    case client::Fate::closed: return "closed";
  }
  return "?";
}

}  // namespace

ProducerProcess::ProducerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                                 client::ProducerOptions options, Appetite appetite,
                                 const Rules& rules)
    : Process{world, network, name, ""},
      ledger_{ledger},
      options_{std::move(options)},
      appetite_{appetite},
      rules_{rules} {
  options_.name = name;
}

void ProducerProcess::boot(Now now) {
  options_.incarnation = Incarnation{world_.chance.next()};
  options_.seed = world_.chance.next();
  options_.origin = make_uuid7(now.wall, world_.chance.next(), world_.chance.next());
  tags_.clear();
  watches_.clear();
  questions_.clear();
  core_ = std::make_unique<client::ProducerCore>(options_, rules_);
  core_->start(now, effects_);
  plan_next_submit();
  if (appetite_.asking != 0) {
    asking_ = Chance{appetite_.asking ^ (index() * 977 + starts())};
    plan_next_question();
  }
}

void ProducerProcess::halt() {
  core_.reset();
  effects_.clear();
}

void ProducerProcess::plan_next_submit() {
  if (submitted_ >= appetite_.tasks) return;
  const Micros mean = appetite_.span * appetite_.batch_max / (2 * appetite_.tasks);
  later(world_.chance.wait(mean), [this] {
    post([this](Now) { submit_some(); });
    plan_next_submit();
  });
}

void ProducerProcess::submit_some() {
  if (submitted_ >= appetite_.tasks || !core_->has_room()) return;
  const Now time = now();
  client::TaskPile pile;
  auto count = static_cast<std::uint32_t>(world_.chance.between(1, appetite_.batch_max));
  for (count = std::min(count, appetite_.tasks - submitted_); count > 0; --count) {
    ++submitted_;
    const Plan plan = draw_plan(world_.chance, appetite_.style, 0, micros(time.wall));
    Truth& truth = ledger_.create(plan);
    truth.producer = index();
    truth.producer_start = starts();
    // A success that stores no result tells nobody anything; only what always ends in a result is
    // waited for.
    truth.wants_result = !plan.ignore_result;
    client::Submission submission;
    submission.tag = client::Tag{next_tag_++};
    submission.since = time.mono;
    submission.wants_result = truth.wants_result;
    submission.sync = world_.chance.yes(0.1);
    if (const std::string key = home_key(plan); !key.empty())
      submission.key_hash = base::key_hash(key);
    if (plan.unique != 0)
      submission.unique_hash = base::key_hash("u" + std::to_string(plan.unique));
    if (world_.chance.yes(appetite_.impatient)) {
      client::Terms terms;
      terms.deadline = world_.chance.spread(Micros{50'000}, Micros{5'000'000});
      terms.patience = world_.chance.spread(Micros{50'000}, Micros{5'000'000});
      submission.terms = std::make_shared<const client::Terms>(terms);
    }
    tags_[submission.tag] = truth.id;
    const Bytes options = pack_options(plan);
    Bytes packed;
    Writer out{packed};
    wire::pack_task(out, wire::view_of(truth.id), task_name(plan), queue_name(plan), options,
                    "\x92\x90\x80");
    if (world_.logging)
      world_.say(name(), "submits " + short_id(truth.id) + " (" + plan_text(plan) + ")");
    if (world_.chance.yes(appetite_.watching)) {
      const client::Tag tag{next_tag_++};
      watches_[tag] = truth.id;
      core_->watch(tag, truth.id, time, effects_);
    }
    if (world_.chance.yes(appetite_.revoking)) {
      later(world_.chance.spread(Micros{500}, Micros{3'000'000}),
            [this, id = truth.id] { post([this, id](Now) { revoke(id); }); });
    }
    pile.add(std::move(submission), packed);
  }
  core_->submit(std::move(pile), time, effects_);
  tell();
}

void ProducerProcess::revoke(const TaskId& id) {
  client::Question question;
  question.tag = client::Tag{next_tag_++};
  question.kind = client::Question::Kind::revoke;
  question.ids = {id};
  question.patience = Micros{5'000'000};
  ledger_.of(id).revoke_asked = true;
  if (world_.logging) world_.say(name(), "revokes " + short_id(id));
  questions_[question.tag] = {id};
  core_->ask(std::move(question), now());
}

void ProducerProcess::plan_next_question() {
  if (submitted_ >= appetite_.tasks) return;
  later(asking_.wait(Micros{700'000}), [this] {
    post([this](Now) { ask_something(); });
    plan_next_question();
  });
}

void ProducerProcess::ask_something() {
  static constexpr const char* commands[] = {"inspect.ping",
                                             "inspect.active_queues",
                                             "inspect.active",
                                             "worker.pool_grow",
                                             "status",
                                             "queues",
                                             "scheduled",
                                             "revoked",
                                             "no-such-thing",
                                             "worker.add_consumer",
                                             "worker.cancel_consumer",
                                             "worker.resume"};
  client::Question question;
  question.tag = client::Tag{next_tag_++};
  question.kind = client::Question::Kind::control;
  question.command = commands[asking_.index(std::size(commands))];
  Value arguments = Value::object({{"queue", "extra"}, {"once", std::to_string(asking_.next())}});
  arguments["timeout_us"] = asking_.between(1'000, 3'000'000);
  if (asking_.yes(0.3)) arguments["destination"] = Value::array({"worker[01]", "nobody"});
  question.arguments = pack(arguments);
  question.patience = Micros{5'000'000};
  if (world_.logging) world_.say(name(), "asks " + question.command);
  questions_[question.tag] = {};
  core_->ask(std::move(question), now());
}

void ProducerProcess::check_answer(BytesView payload) {
  const Value answer = unpack<Value>(payload);
  const Value* const workers = answer.find("workers");
  if (workers == nullptr) return;  // the broker's own
  for (const Value& worker : workers->as_array()) {
    const bool silent = worker.find("silent") != nullptr;
    if (worker.find("name") == nullptr || silent == (worker.find("code") != nullptr)) {
      world_.violation(name() +
                       " is told neither an answer nor why there is none: " + answer.to_json());
    }
  }
}

void ProducerProcess::turn(Now now) {
  core_->turn(now, effects_);
  tell();
  perform(effects_.net);
  effects_.clear();
}

void ProducerProcess::tell() {
  for (const client::Tag tag : effects_.confirmed) {
    Truth& truth = ledger_.of(tags_.at(tag));
    if (world_.logging) world_.say(name(), "    is told: " + short_id(truth.id) + " confirmed");
    ledger_.told_confirmed(truth);
  }
  effects_.confirmed.clear();
  for (const client::SubmitFailure& failure : effects_.failed) {
    Truth& truth = ledger_.of(tags_.at(failure.tag));
    if (world_.logging)
      world_.say(name(), "    is told: " + short_id(truth.id) + " " + to_string(failure.fate) +
                             " (" + failure.text + ")");
    ledger_.told_failed(truth, failure.fate);
  }
  effects_.failed.clear();
  for (const client::Duplicate& one : effects_.duplicates) {
    Truth& truth = ledger_.of(tags_.at(one.tag));
    if (world_.logging)
      world_.say(name(), "    is told: " + short_id(truth.id) + " is a duplicate of " +
                             short_id(one.first));
    ledger_.told_duplicate(truth, one.first);
  }
  effects_.duplicates.clear();
  for (const client::ArrivedResult& result : effects_.results) {
    const auto own = tags_.find(result.tag);
    Truth& truth = ledger_.of(own != tags_.end() ? own->second : watches_.at(result.tag));
    if (truth.first) {
      if (result.record.id.to_id() != *truth.first)
        world_.violation(name() + " is told the result of another task than the first");
      if (truth.told_result) world_.violation(name() + " is told a result twice");
      truth.told_result = true;
      continue;
    }
    if (result.record.id.to_id() != truth.id)
      world_.violation(name() + " is told the result of another task");
    if (world_.logging)
      world_.say(name(),
                 "    is told: " + short_id(truth.id) + " " + wire::to_string(result.record.state));
    if (own != tags_.end()) {
      ledger_.told_result(truth, result.record, options_.durable_results);
    } else {
      watches_.erase(result.tag);
    }
  }
  effects_.results.clear();
  effects_.states.clear();
  for (const client::Answer& answer : effects_.answers) {
    const auto question = questions_.find(answer.tag);
    if (question == questions_.end())
      world_.violation(name() + " is told an answer to no question");
    for (const client::Answer::Reply& reply : answer.replies) {
      if (reply.code == 0) check_answer(reply.payload);
    }
    for (std::size_t i = 0; i < answer.verdicts.size(); ++i) {
      Truth& truth = ledger_.of(question->second.at(i));
      static constexpr const char* names[] = {"unknown", "revoked", "pending", "too late"};
      if (world_.logging) {
        world_.say(name(), "    is told: revoke of " + short_id(truth.id) + ": " +
                               names[static_cast<std::size_t>(answer.verdicts[i].verdict)]);
      }
      ledger_.told_verdict(truth, answer.verdicts[i].verdict);
    }
    questions_.erase(question);
  }
  effects_.answers.clear();
}

bool ProducerProcess::is_idle() const {
  return core_ != nullptr && submitted_ >= appetite_.tasks && core_->is_settled() &&
         questions_.empty();
}

std::string ProducerProcess::busy_with() const {
  if (core_ == nullptr) return "it is down";
  return std::to_string(core_->open_tasks()) + " unsettled tasks, " +
         std::to_string(questions_.size()) + " open questions, " +
         std::to_string(appetite_.tasks - submitted_) + " not handed in";
}

}  // namespace baozi::sim
