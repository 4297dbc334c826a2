#include "store/result_store_thread.hpp"

#include <utility>

namespace baozi::store {
namespace {

ResultStoreEvent answer(ResultStore& store, const ResultStoreKind::Find& ask) {
  auto rows = store.find(ask.ids);
  if (!rows) return RequestFailed{ask.request, rows.error()};
  return Found{ask.request, std::move(*rows)};
}

ResultStoreEvent answer(ResultStore& store, const ResultStoreKind::Erase& ask) {
  auto erased = store.erase(ask.ids);
  if (!erased) return RequestFailed{ask.request, erased.error()};
  return Erased{ask.request, *erased};
}

ResultStoreEvent answer(ResultStore& store, const ResultStoreKind::Expire& ask) {
  auto sweep = store.expire(ask.finished_before_us, ask.rows_max);
  if (!sweep) return RequestFailed{ask.request, sweep.error()};
  return Expired{ask.request, std::move(*sweep)};
}

}  // namespace

std::size_t ResultStoreKind::bytes(const Batch& batch) {
  std::size_t bytes = 0;
  for (const auto& row : batch.rows) bytes += row.record.size() + row.followups.size();
  return bytes;
}

Result<ResultStoreEvent> ResultStoreKind::commit(Store& store, std::span<const Batch> batches) {
  std::vector<std::span<const ResultRow>> parts;
  parts.reserve(batches.size());
  for (const auto& batch : batches) parts.emplace_back(batch.rows);
  auto losses = store.commit_all(parts);
  if (!losses) return Unexpected{losses.error()};

  Stored stored{batches.back().seq, {}, store.free_bytes()};
  std::size_t part = 0;
  std::size_t part_begin = 0;
  for (auto& loss : *losses) {
    while (loss.index >= part_begin + parts[part].size()) part_begin += parts[part++].size();
    stored.losses.push_back({batches[part].seq, loss.index - part_begin, std::move(loss.winner)});
  }
  return Event{std::move(stored)};
}

ResultStoreEvent ResultStoreKind::serve(Store& store, Request&& request) {
  return std::visit([&store](const auto& ask) { return answer(store, ask); }, request);
}

}  // namespace baozi::store
