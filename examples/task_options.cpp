// Every option of a task, as docs/tasks.md explains them: built as libtask_options.so.
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <baozi/worker.hpp>

using namespace std::chrono_literals;

namespace {

struct Unreachable : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Forbidden : Unreachable {
  using Unreachable::Unreachable;
};

std::string fetch(const std::string& url, const std::string& password) {
  if (url.empty()) throw Forbidden{"no address"};
  return url + " " + std::to_string(password.size());
}

bool shop_is_open() { return true; }

}  // namespace

BAOZI_TASKS(registry) {
  registry.task("web.fetch", fetch, {"url", "password"})
      .max_retries(8)
      .backoff(1s, 2.0, 10min)
      .jitter(0.3)
      .autoretry_for<Unreachable>()
      .dont_autoretry_for<Forbidden>()
      .throws<Unreachable>()
      .redact({"password"});

  registry.task("mail.send", [](const std::string& to) { return to.size(); }, {"to"})
      .retry_for(48h)
      .default_retry_delay(3min)
      .rate_limit("100/m")
      .shadow("mail")
      .track_started();

  registry.task("card.charge", [](std::int64_t cents) { return cents; }, {"cents"}).acks_early();

  registry.task("log.line", [](const std::string&) {}, {"line"}).ignore_result();

  registry.task("api.call", [](const std::string& path) { return path; }, {"path"})
      .global_rate_limit("10/s")
      .concurrency_limit(4);

  registry.task("shop.order", [](baozi::Context& context, const std::string& item) {
    if (!shop_is_open()) context.snooze(15min, "closed");
    if (item == "nothing") context.ignore();
    if (item == "stolen goods") context.reject("we do not sell that");
    if (item == "another worker's") context.reject("not mine", true);
    try {
      if (item == "rare") throw Unreachable{"the store does not answer"};
    } catch (const Unreachable&) {
      context.retry(30s);
    }
    context.progress(0.5);
    context.update_state("PACKING", item);
    return item;
  });

  registry.task("report.build", [](std::int64_t number) { return number * 2; })
      .before_start([](baozi::Context& context) { context.update_state("WARMING UP"); })
      .on_success([](baozi::Context& context, const baozi::ExecutionEnd& end) {
        context.update_state("BUILT", end.value());
      })
      .on_failure([](baozi::Context& context, const baozi::ExecutionEnd& end) {
        context.update_state("SORRY", std::string{end.error->what()});
      })
      .on_retry([](baozi::Context& context, const baozi::ExecutionEnd&) {
        context.update_state("ONCE MORE");
      })
      .after_return([](baozi::Context&, const baozi::ExecutionEnd&) {});

  registry.middleware("tenant", [](baozi::Context& context, const baozi::TaskNext& next) {
    if (context.header("tenant") == baozi::Value{"blocked"}) throw std::runtime_error{"blocked"};
    const baozi::ExecutionEnd& end = next();
    if (end.state == baozi::State::failure) context.update_state("FAILED FOR A TENANT");
  });
}
