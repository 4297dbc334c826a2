#include "plan.hpp"

#include <algorithm>

#include "baozi/packing.hpp"
#include "wire/types.hpp"

namespace baozi::sim {

Plan draw_plan(Chance& chance, const PlanStyle& style, std::uint32_t depth, std::int64_t wall_us) {
  Plan plan;
  plan.depth = depth;
  plan.duration = chance.spread(Micros{50}, std::max(style.duration_max, Micros{51}));
  if (chance.yes(style.poison)) {
    plan.script = Script::poison;
    plan.times = chance.yes(0.4) ? 1'000 : static_cast<std::uint32_t>(chance.between(1, 3));
  } else if (chance.yes(style.rejecting)) {
    plan.script = Script::rejects;
  } else if (chance.yes(style.retrying)) {
    plan.script = chance.yes(0.5) ? Script::retries : Script::flaky;
    plan.times = static_cast<std::uint32_t>(chance.between(1, 4));
    plan.max_retries = static_cast<int>(chance.between(1, 5));
  } else if (chance.yes(style.failing)) {
    plan.script = Script::fails;
  } else if (chance.yes(style.either)) {
    plan.script = Script::either;
  }
  if (depth < 2 && chance.yes(style.parents))
    plan.follow_ups = static_cast<std::uint32_t>(chance.between(1, 3));
  plan.ignore_result = chance.yes(style.ignored);
  plan.acks_early =
      chance.yes(style.early) && plan.script != Script::retries && plan.script != Script::flaky;
  plan.track_started = chance.yes(0.1);
  if (chance.yes(style.eta))
    plan.eta_us = wall_us + chance.spread(Micros{1'000}, Micros{20'000'000}).count();
  if (chance.yes(style.expiring)) {
    plan.expires_us = wall_us + chance.spread(Micros{20'000}, Micros{20'000'000}).count();
  }
  if (chance.yes(style.priorities)) plan.priority = static_cast<std::uint8_t>(chance.between(0, 9));
  plan.queue = static_cast<std::uint8_t>(chance.index(style.queues));
  if (style.keyed > 0 &&
      chance.yes(style.keyed)) {  // drawn only where there are keys: other seeds stay as they were
    const auto key = [&] { return static_cast<std::uint8_t>(1 + chance.index(style.keys)); };
    if (depth == 0 &&
        chance.yes(0.4)) {  // a follow-up that is a duplicate is dropped, and nobody told
      plan.unique = key();
      plan.until_started = chance.yes(0.3);
      if (chance.yes(0.2)) plan.window = chance.spread(Micros{10'000}, Micros{5'000'000});
    } else if (chance.yes(0.7)) {
      plan.ordering = key();
    }
    if (chance.yes(0.3)) plan.concurrency = key();
  }
  if (style.homed > 0 && home_key(plan).empty() && chance.yes(style.homed))
    plan.home = static_cast<std::uint8_t>(1 + chance.index(style.keys));
  if (style.labelled > 0) plan.labelled = chance.yes(style.labelled);
  if (style.limited > 0) plan.limited = chance.yes(style.limited);
  if (chance.yes(0.2)) plan.delivery_limit = static_cast<std::uint32_t>(chance.between(1, 4));
  return plan;
}

Bytes pack_options(const Plan& plan) {
  Bytes body;
  Writer in{body};
  std::size_t count = 0;
  const auto key = [&](wire::Option option) {
    ++count;
    in.uinteger(static_cast<std::uint64_t>(option));
  };
  if (plan.eta_us) key(wire::Option::eta), in.integer(*plan.eta_us);
  if (plan.expires_us) key(wire::Option::expires), in.integer(*plan.expires_us);
  if (plan.priority != 4) key(wire::Option::priority), in.uinteger(plan.priority);
  if (plan.script == Script::flaky) {
    key(wire::Option::retry_policy);
    in.array(5);
    in.integer(plan.max_retries);
    in.integer(10'000);
    in.integer(50'000);
    in.integer(200'000);
    in.real(0.5);
  }
  if (plan.ordering != 0) {
    key(wire::Option::ordering_key);
    in.str("o" + std::to_string(plan.ordering));
  }
  if (plan.unique != 0) {
    key(wire::Option::unique);
    in.array(3);
    in.str("u" + std::to_string(plan.unique));
    in.uinteger(static_cast<std::uint64_t>(plan.window.count()));
    in.uinteger(plan.until_started ? 0 : 1);
  }
  if (plan.concurrency != 0) {
    key(wire::Option::concurrency);
    in.array(2);
    in.str("c" + std::to_string(plan.concurrency));
    in.uinteger(2);
  }
  if (plan.home != 0) {
    key(wire::Option::home);
    in.str("h" + std::to_string(plan.home));
  }
  if (plan.once_until_us) key(wire::Option::once_until), in.integer(*plan.once_until_us);
  if (plan.labelled) {
    key(wire::Option::labels);
    in.array(1);
    in.str(the_label);
  }
  if (plan.ignore_result) key(wire::Option::ignore_result), in.boolean(true);
  if (plan.acks_early) key(wire::Option::acks_early), in.boolean(true);
  if (plan.delivery_limit != 0) key(wire::Option::delivery_limit), in.uinteger(plan.delivery_limit);
  if (plan.track_started) key(wire::Option::track_started), in.boolean(true);
  Bytes packed;
  Writer out{packed};
  out.map(count);
  out.raw(body);
  return packed;
}

std::string home_key(const Plan& plan) {
  if (plan.home != 0) return "h" + std::to_string(plan.home);
  if (plan.ordering != 0) return "o" + std::to_string(plan.ordering);
  if (plan.unique != 0) return "u" + std::to_string(plan.unique);
  return plan.concurrency != 0 ? "c" + std::to_string(plan.concurrency) : "";
}

std::string queue_name(const Plan& plan) {
  return plan.queue == 0 ? "" : "q" + std::to_string(plan.queue);
}

std::string task_name(const Plan& plan) { return plan.limited ? limited_name : "sim.task"; }

std::string plan_text(const Plan& plan) {
  static constexpr const char* names[] = {"succeeds", "fails",   "either", "retries",
                                          "flaky",    "rejects", "poison"};
  std::string text = names[static_cast<std::size_t>(plan.script)];
  if (plan.times != 0) text += " x" + std::to_string(plan.times);
  text += " " + std::to_string(plan.duration.count()) + "us";
  if (plan.follow_ups != 0) text += " follow-ups " + std::to_string(plan.follow_ups);
  if (plan.ignore_result) text += " ignore_result";
  if (plan.acks_early) text += " acks_early";
  if (plan.labelled) text += " labelled";
  if (plan.limited) text += " limited";
  if (plan.eta_us) text += " eta";
  if (plan.expires_us) text += " expires";
  if (plan.unique != 0) {
    text +=
        " unique u" + std::to_string(plan.unique) + (plan.until_started ? " until started" : "");
    if (plan.window.count() != 0) text += " for " + std::to_string(plan.window.count()) + "us";
  }
  if (plan.ordering != 0) text += " ordered o" + std::to_string(plan.ordering);
  if (plan.concurrency != 0) text += " two of c" + std::to_string(plan.concurrency);
  if (plan.home != 0) text += " at home h" + std::to_string(plan.home);
  if (plan.once_until_us) text += " once until " + std::to_string(*plan.once_until_us);
  if (plan.delivery_limit != 0) text += " limit " + std::to_string(plan.delivery_limit);
  return text;
}

}  // namespace baozi::sim
