// What must not compile as a value. Each case is compiled with -DCASE_…; without one, everything
// here must compile.
#include <chrono>

#include <baozi/arguments.hpp>
#include <baozi/task.hpp>

struct Unknown {};

void calls() {
  (void)baozi::CallOptions{.eta = std::chrono::system_clock::now()};
#ifdef CASE_LOCAL_ETA
  (void)baozi::CallOptions{.eta = std::chrono::local_days{std::chrono::January / 1 / 2031}};
#endif
#ifdef CASE_STEADY_ETA
  (void)baozi::CallOptions{.eta = std::chrono::steady_clock::now()};
#endif
#ifdef CASE_NUMBER_ETA
  (void)baozi::CallOptions{.eta = 1'700'000'000};
#endif
#ifdef CASE_LOCAL_EXPIRES
  (void)baozi::CallOptions{.expires = std::chrono::local_days{std::chrono::January / 1 / 2031}};
#endif
#ifdef CASE_BORROWED_RESULT
  (void)baozi::unpack<std::vector<std::string_view>>("");
#endif
#ifdef CASE_NO_CODEC
  (void)baozi::pack(Unknown{});
#endif
#ifdef CASE_NAMED_FIRST
  (void)baozi::pack_body(baozi::arg("a") = 1, 2);
#endif
}
