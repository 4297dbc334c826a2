#include "store/task_store.hpp"

namespace baozi::store {

TaskStore::~TaskStore() = default;

const char* to_string(Space space) {
  switch (space) {
    case Space::dead: return "dead";
    case Space::producers: return "producers";
    case Space::roster: return "roster";
    case Space::epochs: return "epochs";
    case Space::queues: return "queues";
    case Space::marks: return "marks";
    case Space::meta: return "meta";
    case Space::peers: return "peers";
    case Space::outbox: return "outbox";
  }
  return "unknown";
}

}  // namespace baozi::store
