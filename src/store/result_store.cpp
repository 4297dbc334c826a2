#include "store/result_store.hpp"

namespace baozi::store {

ResultStore::~ResultStore() = default;

bool IdOrder::operator()(const TaskId& a, const TaskId& b) const {
  if (a.is_uuid() != b.is_uuid()) return !a.is_uuid();
  return a.is_uuid() ? a.uuid() < b.uuid() : a.text() < b.text();
}

Ruling judge(const ResultRow& stored, const ResultRow& late) {
  if (stored.generation < late.generation) return Ruling::replaces;
  return stored.number == late.number && stored.incarnation == late.incarnation ? Ruling::same
                                                                                : Ruling::loses;
}

}  // namespace baozi::store
