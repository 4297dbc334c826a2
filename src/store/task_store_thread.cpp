#include "store/task_store_thread.hpp"

#include <utility>

namespace baozi::store {
namespace {

TaskStoreEvent answer(TaskStore& store, const TaskStoreKind::Load& ask) {
  auto rows = store.load(ask.from, ask.to, ask.rows_max, ask.bytes_max);
  if (!rows) return RequestFailed{ask.request, rows.error()};
  return Loaded{ask.request, std::move(*rows)};
}

TaskStoreEvent answer(TaskStore& store, const TaskStoreKind::Records& ask) {
  auto records = store.records_after(ask.space, ask.after, ask.rows_max);
  if (!records) return RequestFailed{ask.request, records.error()};
  return RecordsRead{ask.request, std::move(*records)};
}

TaskStoreEvent answer(TaskStore& store, const TaskStoreKind::Count& ask) {
  auto counts = store.count_by_prefix(ask.shift);
  if (!counts) return RequestFailed{ask.request, counts.error()};
  return Counted{ask.request, std::move(*counts)};
}

}  // namespace

std::size_t TaskStoreKind::bytes(const Batch& batch) {
  std::size_t bytes = 0;
  for (const auto& row : batch.puts) bytes += row.rec.size();
  for (const auto& record : batch.records) bytes += record.value ? record.value->size() : 0;
  return bytes;
}

Result<TaskStoreEvent> TaskStoreKind::commit(Store& store, std::span<const Batch> batches) {
  if (auto done = store.commit(batches); !done) return Unexpected{done.error()};
  return Event{Persisted{batches.back().n, store.free_bytes()}};
}

TaskStoreEvent TaskStoreKind::serve(Store& store, Request&& request) {
  return std::visit([&store](const auto& ask) { return answer(store, ask); }, request);
}

}  // namespace baozi::store
