// Calls t.mark(PATH, 0), t.mark(PATH, 1), … until it is killed or COUNT are confirmed, and writes
// how many were confirmed.
//   test_producer BROKER PATH COUNT
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <tuple>
#include <vector>

#include <baozi/client.hpp>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    baozi::App app{std::string{argv[1]}};
    auto mark = app.task<std::int64_t(std::string, std::int64_t)>("t.mark");
    const std::int64_t count = std::stoll(argv[3]);
    for (std::int64_t i = 0; i < count;) {
      std::vector<std::tuple<std::string, std::int64_t>> calls;
      for (int k = 0; k < 50 && i < count; ++k) calls.emplace_back(argv[2], i++);
      const auto results = mark.map(calls);
      if (!app.flush(std::chrono::seconds{60})) return 1;
      for (const auto& result : results) {
        if (result.submit_state() != baozi::SubmitState::confirmed) return 1;
      }
      std::printf("%lld\n", static_cast<long long>(i));
      std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
