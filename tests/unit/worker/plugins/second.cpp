// A good one: with a type that the first has too, under the same name.
#include <stdexcept>

#include <baozi/worker.hpp>

struct Problem : std::runtime_error {
  using std::runtime_error::runtime_error;
};

BAOZI_TASKS(registry) {
  registry.task("second.fail", [] { throw Problem{"second"}; }).autoretry_for<Problem>();
  registry.task("second.retry",
                [](baozi::Context& context) { context.retry(std::chrono::seconds{3}); });
}
