#include "client/cli/top_view.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "client/cli/event_line.hpp"

namespace baozi::cli {

namespace {

using Style = ScreenLine::Style;

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// The first so many characters.
std::string_view left_of(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) continue;
    if (columns-- == 0) break;
  }
  return text.substr(0, at);
}

std::string rate_text(double rate) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), rate >= 100 || rate == 0 ? "%.0f/s" : "%.1f/s", rate);
  return text.data();
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text.data();
}

using Row = std::vector<std::string>;
struct Table {
  Row head;  // the first is the section's name and is aligned left, as is the last
  std::vector<std::pair<Row, Style>> rows;
  bool last_is_text = false;
};

/// Lines of a table, its head first; `rows` of them at most.
void lay_out(const Table& table, std::size_t rows, std::size_t width,
             std::vector<ScreenLine>& lines) {
  const std::size_t shown = std::min(rows, table.rows.size());
  std::vector<std::size_t> widths;
  for (const std::string& title : table.head) widths.push_back(columns_of(title));
  for (std::size_t r = 0; r < shown; ++r) {
    for (std::size_t c = 0; c < widths.size(); ++c) {
      widths[c] = std::max(widths[c], columns_of(table.rows[r].first[c]));
    }
  }
  const auto line = [&](const Row& cells, Style style) {
    std::string text;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const bool left = c == 0 || (table.last_is_text && c + 1 == cells.size());
      const std::string fill(widths[c] - columns_of(cells[c]), ' ');
      text += c == 0 ? "" : "  ";
      text += left ? cells[c] + (c + 1 == cells.size() ? "" : fill) : fill + cells[c];
    }
    lines.push_back({std::string{left_of(text, width)}, style});
  };
  line(table.head, Style::heading);
  for (std::size_t r = 0; r < shown; ++r) line(table.rows[r].first, table.rows[r].second);
  if (shown < table.rows.size()) {
    lines.push_back({"… " + std::to_string(table.rows.size() - shown) + " more", Style::dim});
  }
}

template <class T>
std::vector<const T*> in_order(const std::map<std::string, T>& all) {
  std::vector<const T*> list;
  list.reserve(all.size());
  for (const auto& [key, value] : all) list.push_back(&value);
  return list;
}

template <class T, class Key>
void largest_first(std::vector<const T*>& list, Key&& key) {
  std::stable_sort(list.begin(), list.end(),
                   [&](const T* a, const T* b) { return key(*a) > key(*b); });
}

Table worker_table(const TopModel& model, TopSort sort, WallTime now) {
  Table table{{"WORKERS", "state", "slots", "running", "leased", "done", "rate", "failed", "load"},
              {},
              false};
  auto list = in_order(model.workers());
  if (sort == TopSort::busiest)
    largest_first(list, [](const TopWorker& w) { return std::max(w.active, w.leases); });
  if (sort == TopSort::newest) largest_first(list, [](const TopWorker& w) { return w.heard_us; });
  for (const TopWorker* const worker : list) {
    const bool silent = TopModel::is_silent(*worker, now);
    const char* const state = worker->offline ? "offline" : silent ? "silent" : "online";
    std::array<char, 32> load{};
    std::snprintf(load.data(), load.size(), "%.2f", worker->load);
    table.rows.emplace_back(
        Row{printable(worker->name), state, std::to_string(worker->concurrency),
            std::to_string(worker->active), std::to_string(worker->leases),
            std::to_string(worker->processed), rate_text(worker->ended.per_second(now)),
            std::to_string(worker->failed), load.data()},
        silent            ? Style::bad
        : worker->offline ? Style::dim
                          : Style::plain);
  }
  return table;
}

Table queue_table(const TopModel& model, TopSort sort) {
  Table table{{"QUEUES", "ready", "scheduled", "leased", "bytes", "consumers"}, {}, false};
  auto list = in_order(model.queues());
  if (sort != TopSort::name)
    largest_first(list, [](const TopQueue& q) { return q.ready + q.leased; });
  for (const TopQueue* const queue : list) {
    const bool stuck = queue->consumers == 0 && queue->ready > 0;
    table.rows.emplace_back(Row{printable(queue->name), std::to_string(queue->ready),
                                std::to_string(queue->scheduled), std::to_string(queue->leased),
                                bytes_text(queue->bytes), std::to_string(queue->consumers)},
                            stuck ? Style::bad : Style::plain);
  }
  return table;
}

Table task_table(const TopModel& model, TopSort sort, WallTime now) {
  Table table{{"TASKS", "rate", "succeeded", "failed", "retried", "mean"}, {}, false};
  auto list = in_order(model.tasks());
  if (sort != TopSort::name) {
    largest_first(list, [&](const TopTask& t) {
      return std::pair{t.ended.per_second(now), t.succeeded + t.failed};
    });
  }
  for (const TopTask* const task : list) {
    const std::string mean =
        task->timed == 0 ? "-"
                         : duration_text(static_cast<std::int64_t>(task->runtime_us / task->timed));
    table.rows.emplace_back(Row{printable(task->name), rate_text(task->ended.per_second(now)),
                                std::to_string(task->succeeded), std::to_string(task->failed),
                                std::to_string(task->retried), mean},
                            Style::plain);
  }
  return table;
}

Table running_table(const TopModel& model, TopSort sort, WallTime now) {
  Table table{{"RUNNING", "for", "worker"}, {}, true};
  auto list = in_order(model.running());
  std::stable_sort(list.begin(), list.end(), [&](const TopRunning* a, const TopRunning* b) {
    if (sort == TopSort::name)
      return std::pair{a->name, a->since_us} < std::pair{b->name, b->since_us};
    return sort == TopSort::busiest ? a->since_us < b->since_us : a->since_us > b->since_us;
  });
  for (const TopRunning* const task : list) {
    table.rows.emplace_back(
        Row{printable(task->name) + " " + printable(task->id),
            duration_text(std::max<std::int64_t>(micros(now) - task->since_us, 0)),
            printable(task->node)},
        Style::plain);
  }
  return table;
}

Table failure_table(const TopModel& model) {
  Table table{{"FAILURES", "at", "worker", "exception"}, {}, true};
  for (const TopFailure& failure : model.failures()) {
    const std::string when = instant_text(std::chrono::sys_time<std::chrono::microseconds>{
        std::chrono::microseconds{failure.time_us}});
    table.rows.emplace_back(
        Row{printable(failure.name) + " " + printable(failure.id), when.substr(11, 12),
            printable(failure.node), printable(failure.exception)},
        Style::bad);
  }
  return table;
}

/// How many rows each table gets of `lines`: everybody a row in turn, until none wants more.
std::vector<std::size_t> share(const std::vector<Table>& tables, std::size_t lines) {
  std::vector<std::size_t> rows(tables.size(), 0);
  for (bool gave = true; gave && lines > 0;) {
    gave = false;
    for (std::size_t i = 0; i < tables.size() && lines > 0; ++i) {
      if (rows[i] >= tables[i].rows.size()) continue;
      ++rows[i];
      --lines;
      gave = true;
    }
  }
  // A table that is cut needs a line to say so.
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (rows[i] > 0 && rows[i] < tables[i].rows.size()) --rows[i];
  }
  return rows;
}

}  // namespace

const char* to_string(TopSort sort) {
  switch (sort) {
    case TopSort::busiest: return "busiest";
    case TopSort::name: return "name";
    case TopSort::newest: return "newest";
  }
  return "";
}

TopSort next(TopSort sort) {
  return sort == TopSort::newest ? TopSort::busiest
                                 : static_cast<TopSort>(static_cast<int>(sort) + 1);
}

std::vector<ScreenLine> draw_top(const TopModel& model, const TopPicture& picture, WallTime now) {
  const auto width = static_cast<std::size_t>(std::max(picture.width, 20));
  std::vector<ScreenLine> lines;
  const auto add = [&](const std::string& text, Style style) {
    lines.push_back({std::string{left_of(text, width)}, style});
  };
  const std::string clock = instant_text(
      std::chrono::sys_time<std::chrono::microseconds>{std::chrono::microseconds{micros(now)}});
  std::string bar =
      "baozi top  " + clock.substr(11, 8) + " UTC  brokers " + std::to_string(model.brokers());
  if (model.silent() > 0) bar += " (" + std::to_string(model.silent()) + " silent)";
  bar +=
      "  workers " + std::to_string(model.workers().size()) + "  sort " + to_string(picture.sort);
  if (picture.paused) bar += "  PAUSED";
  add(bar, Style::bar);
  const TopModel::Rates rates = model.rates();
  const TopTotals& totals = model.totals();
  add("tasks   accepted " + rate_text(rates.accepted) + "  succeeded " +
          rate_text(rates.succeeded) + "  failed " + rate_text(rates.failed) + "  queued " +
          std::to_string(totals.queued) + "  leased " + std::to_string(totals.leased) + "  dead " +
          std::to_string(totals.dead),
      Style::plain);
  if (!model.trouble().empty()) {
    add("!       " + printable(model.trouble()), Style::bad);
  } else {
    std::string events = "events  " + rate_text(model.events().per_second(now)) + "  lost " +
                         std::to_string(model.lost());
    if (!model.has_task_events())
      events += "  (none of tasks: worker -E, or baozi control enable_events)";
    add(events, Style::plain);
  }

  std::vector<Table> tables{worker_table(model, picture.sort, now),
                            queue_table(model, picture.sort)};
  for (Table& table : std::array{task_table(model, picture.sort, now),
                                 running_table(model, picture.sort, now), failure_table(model)}) {
    if (!table.rows.empty()) tables.push_back(std::move(table));
  }
  std::vector<std::size_t> rows(tables.size(), static_cast<std::size_t>(picture.rows_max));
  if (picture.height > 0) {
    const std::size_t fixed =
        lines.size() + tables.size() * 2 + 1;  // a head and an empty line each; the keys
    const auto height = static_cast<std::size_t>(picture.height);
    rows = share(tables, height > fixed ? height - fixed : 0);
  }
  for (std::size_t i = 0; i < tables.size(); ++i) {
    lines.push_back({"", Style::plain});
    lay_out(tables[i], rows[i], width, lines);
  }
  if (picture.height > 0) {
    const auto height = static_cast<std::size_t>(picture.height);
    lines.resize(picture.keys && height > 0 ? height - 1 : height);
    if (picture.keys) add("q quit  s sort  p pause", Style::dim);
  }
  return lines;
}

Value top_value(const TopModel& model, WallTime now) {
  const TopModel::Rates rates = model.rates();
  const TopTotals& totals = model.totals();
  Value::Array workers;
  for (const auto& [name, worker] : model.workers()) {
    workers.push_back(Value::object({{"name", name},
                                     {"state", worker.offline                     ? "offline"
                                               : TopModel::is_silent(worker, now) ? "silent"
                                                                                  : "online"},
                                     {"concurrency", worker.concurrency},
                                     {"active", worker.active},
                                     {"leases", worker.leases},
                                     {"processed", worker.processed},
                                     {"failed", worker.failed},
                                     {"per_second", worker.ended.per_second(now)},
                                     {"load", worker.load}}));
  }
  Value::Array queues;
  for (const auto& [name, queue] : model.queues()) {
    queues.push_back(Value::object({{"name", name},
                                    {"ready", queue.ready},
                                    {"scheduled", queue.scheduled},
                                    {"leased", queue.leased},
                                    {"bytes", queue.bytes},
                                    {"consumers", queue.consumers}}));
  }
  Value::Array tasks;
  for (const auto& [name, task] : model.tasks()) {
    tasks.push_back(Value::object(
        {{"name", name},
         {"succeeded", task.succeeded},
         {"failed", task.failed},
         {"retried", task.retried},
         {"per_second", task.ended.per_second(now)},
         {"mean_us", task.timed == 0 ? Value{} : Value{task.runtime_us / task.timed}}}));
  }
  Value::Array running;
  for (const auto& [id, task] : model.running()) {
    running.push_back(Value::object(
        {{"uuid", id}, {"name", task.name}, {"hostname", task.node}, {"since_us", task.since_us}}));
  }
  Value::Array failures;
  for (const TopFailure& failure : model.failures()) {
    failures.push_back(Value::object({{"uuid", failure.id},
                                      {"name", failure.name},
                                      {"hostname", failure.node},
                                      {"timestamp_us", failure.time_us},
                                      {"exception", failure.exception}}));
  }
  return Value::object({{"brokers", model.brokers()},
                        {"brokers_silent", model.silent()},
                        {"accepted_per_second", rates.accepted},
                        {"succeeded_per_second", rates.succeeded},
                        {"failed_per_second", rates.failed},
                        {"queued", totals.queued},
                        {"leased", totals.leased},
                        {"dead", totals.dead},
                        {"events_per_second", model.events().per_second(now)},
                        {"events_lost", model.lost()},
                        {"workers", workers},
                        {"queues", queues},
                        {"tasks", tasks},
                        {"running", running},
                        {"failures", failures}});
}

}  // namespace baozi::cli
