// Wants a function of baozi that this baozi has not.
#include <baozi/worker.hpp>

namespace baozi {
int from_the_future(int);
}

BAOZI_TASKS(registry) { registry.task("x", baozi::from_the_future); }
