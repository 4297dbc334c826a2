// Questions to the workers: asked of all brokers, answered as one.
#include <algorithm>
#include <map>

#include "base/random.hpp"
#include "client/requests.hpp"

namespace baozi {

bool WorkerReplies::all_answered() const {
  return !workers.empty() && missing.empty() && refusals.empty() && silent.empty() &&
         std::all_of(workers.begin(), workers.end(),
                     [](const WorkerReply& one) { return one.error.empty(); });
}

namespace client {

namespace {

constexpr Micros timeout_min{1'000};
constexpr Micros timeout_max{60'000'000};

std::string text_in(const Value& entry, std::string_view field) {
  const Value* const text = entry.find(field);
  return text != nullptr && text->is_string() ? text->as_string() : std::string{};
}

WorkerReply reply_of(const Value& entry) {
  WorkerReply reply;
  reply.worker = text_in(entry, "name");
  if (const std::string why = text_in(entry, "silent"); !why.empty()) {
    reply.silent = true;
    reply.error = why;
    return reply;
  }
  const Value* const code = entry.find("code");
  if (code != nullptr && code->is_integer() && code->to<std::uint64_t>() == 0) {
    if (const Value* const answer = entry.find("answer")) reply.answer = *answer;
    return reply;
  }
  reply.error = text_in(entry, "error");
  if (reply.error.empty()) reply.error = "an error without a text";
  return reply;
}

}  // namespace

WorkerReplies merge_worker_replies(const NodeReplies& replies) {
  WorkerReplies merged;
  merged.silent = replies.silent;
  std::map<std::pair<std::string, std::uint64_t>, WorkerReply> workers;  // by name and incarnation
  std::map<std::string, std::size_t> missing;
  std::size_t brokers = 0;
  for (const NodeReply& broker : replies.replies) {
    const Value* const list = broker.payload.find("workers");
    if (!broker.error.empty() || list == nullptr || !list->is_array()) {
      NodeReply& refusal = merged.refusals.emplace_back();
      refusal.node = broker.node;
      refusal.error = broker.error.empty() ? "its answer names no workers" : broker.error;
      continue;
    }
    ++brokers;
    for (const Value& entry : list->as_array()) {
      WorkerReply reply = reply_of(entry);
      const Value* const incarnation = entry.find("incarnation");
      const std::uint64_t number = incarnation != nullptr && incarnation->is_integer()
                                       ? incarnation->to<std::uint64_t>()
                                       : 0;
      const auto [place, is_new] = workers.try_emplace({reply.worker, number}, reply);
      if (!is_new && place->second.silent && !reply.silent) place->second = std::move(reply);
    }
    if (const Value* const names = broker.payload.find("missing");
        names != nullptr && names->is_array()) {
      for (const Value& name : names->as_array()) {
        if (name.is_string()) ++missing[name.as_string()];
      }
    }
  }
  for (auto& [who, reply] : workers) merged.workers.push_back(std::move(reply));
  for (const auto& [name, count] : missing) {
    if (count == brokers) merged.missing.push_back(name);
  }
  return merged;
}

WorkerReplies ask_workers(Engine& engine, std::string_view command, const Value& arguments,
                          const std::vector<std::string>& destination, Micros timeout) {
  timeout = std::clamp(timeout, timeout_min, timeout_max);
  Value all = arguments.is_null() ? Value::object() : arguments;
  if (!destination.empty())
    all["destination"] = Value{Value::Array{destination.begin(), destination.end()}};
  all["timeout_us"] = timeout.count();
  if (command.starts_with("worker."))
    all["once"] = std::to_string(entropy64()) + "-" + std::to_string(entropy64());
  return merge_worker_replies(control(engine, Asked::brokers, command, all, timeout));
}

}  // namespace client
}  // namespace baozi
