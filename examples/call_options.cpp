// Every option of a call, as docs/tasks.md explains them. `call_options show` calls nothing and
// says what it would; without an argument it needs a broker, a collector and a worker with
// libtask_options.so.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include <baozi/client.hpp>

using namespace std::chrono_literals;

int main(int argc, char**) {
  baozi::App app{baozi::AppOptions{
      .middleware = {{"tenant", [](baozi::OutgoingCall& call, const std::function<void()>& submit) {
                        call.options.headers["tenant"] = "acme";
                        submit();
                      }}}}};
  auto fetch = app.task<std::string(std::string, std::string)>("web.fetch");
  auto report = app.task<std::int64_t(std::int64_t)>("report.build");
  auto order = app.task<std::string(std::string)>("shop.order");
  if (argc > 1) return std::puts("web.fetch, report.build, shop.order") < 0;

  auto page = fetch.with().shadow("fetch").shown_arguments("***").delay("http://x", "secret");
  page = fetch.apply_async(
      {"http://x", "secret"},
      {.on_failure = baozi::RetryPolicy{
           .max_retries = -1, .interval_start = 1s, .interval_max = 1min, .retry_for = 2h}});

  // One report per day is enough, whoever asks for it, and however often.
  auto daily = report.with().unique("report 2026-11-25", 24h).delay(7);
  auto again = report.with().unique("report 2026-11-25", 24h).delay(7);
  again.wait_submitted();
  std::printf("%s: %d\n", again.id().c_str(), again.is_duplicate() ? 1 : 0);

  // What one customer orders is packed in the order in which it was ordered.
  auto first = order.with().ordering_key("customer 7").delay("tea");
  auto second = order.with().ordering_key("customer 7").delay("cups");

  // No more than two at a time for one account, whatever the task.
  auto call = order.with().concurrency("account 7", 2).delay("a kettle");

  // What an import has brought it does not bring again, though it is begun anew after a crash.
  const auto tomorrow = std::chrono::system_clock::now() + 24h;
  auto imported = order.with().once("order 4711 of the old shop", tomorrow).delay("tea");
  auto repeated = order.with().once("order 4711 of the old shop", tomorrow).delay("tea");
  repeated.wait_submitted();
  std::printf("%d\n", repeated.is_duplicate() ? 1 : 0);

  call.on_progress([](const std::string& word, const baozi::Value& value) {
    std::printf("%s %s\n", word.c_str(), value.to_json().c_str());
  });
  std::printf("%lld %s %s %s\n", static_cast<long long>(daily.get(30s)), first.get(30s).c_str(),
              second.get(30s).c_str(), call.get(30s).c_str());
  return page.get(30s).empty() ? 1 : 0;
}
