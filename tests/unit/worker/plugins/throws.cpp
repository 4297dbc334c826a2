// Its registration fails for a reason of its own.
#include <stdexcept>

#include <baozi/worker.hpp>

BAOZI_TASKS(registry) { throw std::runtime_error{"no licence file"}; }
