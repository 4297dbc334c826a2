// The first hour with baozi, in one program: calls, results, a countdown, a failure.
// scripts/quickstart runs it.
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <baozi/client.hpp>

using namespace std::chrono_literals;

int main() {
  try {
    baozi::App app;  // $BAOZI_BROKER, else tcp://127.0.0.1:7170
    auto add = app.task<int(int, int)>("c.add");

    std::vector<baozi::AsyncResult<int>> results;
    for (int i = 0; i < 10; ++i) results.push_back(add.delay(i, i));
    for (int i = 0; i < 10; ++i) {
      std::printf("  c.add(%d, %d) = %d\n", i, i, results[static_cast<std::size_t>(i)].get(30s));
    }

    const auto start = std::chrono::steady_clock::now();
    const int later = add.with().countdown(1s).delay(20, 22).get(30s);
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    std::printf("  with a countdown of 1 s: c.add(20, 22) = %d after %.2f s\n", later,
                waited.count());

    auto fail = app.task<void(std::string)>("c.fail");
    try {
      fail.delay("the dumplings burned").get(30s);
      std::printf("  c.fail did not fail\n");
      return 1;
    } catch (const baozi::TaskError& error) {
      std::printf("  c.fail threw %s: %s\n", error.type().c_str(), error.message().c_str());
      std::printf("%s\n", error.traceback().c_str());
    }
    const auto outcome = fail.delay("again").get(30s, baozi::no_propagate);
    std::printf("  with propagate off: state %s, error %s\n", baozi::to_string(outcome.state()),
                outcome.error() ? outcome.error()->message().c_str() : "none");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tour: %s\n", error.what());
    return 1;
  }
}
