// What must not compile as a task. Each case is compiled with -DCASE_…; without one, everything
// here must compile.
#include <baozi/worker.hpp>

struct Unknown {};
struct Functor {
  int operator()(int a) const { return a; }
};

BAOZI_TASKS(registry) {
  registry.task("function_object", Functor{});
#ifdef CASE_MUTABLE_LAMBDA
  registry.task("x", [n = 0]() mutable { return ++n; });
#endif
#ifdef CASE_GENERIC_LAMBDA
  registry.task("x", [](auto a) { return a; });
#endif
#ifdef CASE_REFERENCE
  registry.task("x", [](int& a) { ++a; });
#endif
#ifdef CASE_POINTER
  registry.task("x", [](const char* text) { return text != nullptr; });
#endif
#ifdef CASE_UNKNOWN_PARAMETER
  registry.task("x", [](Unknown) {});
#endif
#ifdef CASE_UNKNOWN_RESULT
  registry.task("x", [] { return Unknown{}; });
#endif
#ifdef CASE_LATE_CONTEXT
  registry.task("x", [](int, baozi::Context&) {});
#endif
}
