// Its author made a mistake.
#include <baozi/worker.hpp>

BAOZI_TASKS(registry) {
  registry.task("m.one", [](int a) { return a; }, {"a", "b"});
}
