// baozi events: follows what happens, until Ctrl-C.
#include <cstdio>
#include <map>
#include <stdexcept>

#include "client/cli/cli.hpp"
#include "client/cli/event_line.hpp"
#include "client/cli/interrupt.hpp"

namespace baozi::cli {

namespace {

/// Where to go on after what was printed, which may be in the middle of a batch.
class Places {
 public:
  void printed(const std::string& collector, std::uint64_t offset) {
    next_[collector] = offset + 1;
  }
  void passed(const EventBatch& batch) { next_[batch.collector] = batch.next; }
  [[nodiscard]] std::string text(const std::string& otherwise) const {
    std::string all;
    for (const auto& [collector, next] : next_) {
      all += (all.empty() ? "" : ",") + collector + ":" + std::to_string(next);
    }
    return all.empty() ? otherwise : all;
  }

 private:
  std::map<std::string, std::uint64_t> next_;
};

void tell_losses(const EventBatch& batch, bool json) {
  if (json) {
    Value::Object object;
    object["type"] = Value{batch.anew ? "stream-anew" : "stream-lost"};
    object["collector"] = Value{batch.collector};
    if (!batch.anew) object["count"] = Value{batch.lost};
    std::printf("%s\n", Value{object}.to_json().c_str());
  } else if (batch.anew) {
    std::fprintf(stderr, "baozi: %s has begun a new history; what was between is not known\n",
                 batch.collector.c_str());
  } else {
    std::fprintf(stderr, "baozi: %llu events of %s were asked for too late and are gone\n",
                 static_cast<unsigned long long>(batch.lost), batch.collector.c_str());
  }
}

}  // namespace

int events(const Words& words) {
  Common common;
  EventOptions options;
  std::uint64_t limit = 0;
  base::OptionTable table{"baozi events",
                          "Shows what happens in the network, as it happens, until Ctrl-C."};
  table.add("task", options.tasks, "only events of tasks of this name; it may end in *")
      .word("NAME");
  table
      .add("type", options.types,
           "only events of this type: task-failed; or task-*, worker-*, broker-*")
      .word("TYPE");
  table.add("from", options.from, "where to start: now, oldest, or where an earlier one ended")
      .word("OFFSET");
  table.add("limit", limit, "end after so many events; 0: never");
  common.declare(table);
  if (!read(table, words)) return 0;
  end_on_interrupt();
  App app = common.app();
  std::optional<EventStream> stream;
  try {
    stream.emplace(app.events(options));
  } catch (const std::invalid_argument& error) {
    throw base::ConfigError{error.what()};
  }
  using namespace std::chrono_literals;
  const auto begun = std::chrono::steady_clock::now();
  bool warned = false;
  Places places;
  std::uint64_t count = 0;
  const auto more = [&] { return !is_interrupted() && (limit == 0 || count < limit); };
  while (more()) {
    const auto batch = stream->next(200ms);
    if (!batch) {
      if (!warned && stream->collectors() == 0 &&
          std::chrono::steady_clock::now() - begun > common.timeout) {
        warned = true;
        std::fprintf(stderr, "baozi: no collector answers yet; waiting for one\n");
      }
      continue;
    }
    if (batch->lost > 0 || batch->anew) tell_losses(*batch, common.json);
    for (const Event& event : batch->events) {
      if (!more()) break;
      const std::string line =
          common.json ? event_json(event, batch->collector) : event_line(event);
      std::printf("%s\n", line.c_str());
      places.printed(batch->collector, event.offset);
      ++count;
    }
    if (more()) places.passed(*batch);
    if (std::fflush(stdout) != 0) break;  // whoever read it is gone
  }
  const std::string resume = places.text(stream->position());
  if (!resume.empty()) std::fprintf(stderr, "baozi: go on with --from %s\n", resume.c_str());
  return 0;
}

}  // namespace baozi::cli
