#include "broker/revocation_table.hpp"

#include "baozi/packing.hpp"

namespace baozi::broker {

void RevocationTable::add(const TaskId& id, Revocation mark) {
  erase(id);
  by_age_.emplace(mark.at_us, id);
  marks_.emplace(id, std::move(mark));
}

bool RevocationTable::erase(const TaskId& id) {
  const auto found = marks_.find(id);
  if (found == marks_.end()) return false;
  by_age_.erase({found->second.at_us, id});
  marks_.erase(found);
  return true;
}

const Revocation* RevocationTable::find(const TaskId& id) const {
  const auto found = marks_.find(id);
  return found == marks_.end() ? nullptr : &found->second;
}

std::vector<TaskId> RevocationTable::expire(std::int64_t before_us) {
  std::vector<TaskId> old;
  while (!by_age_.empty() && by_age_.begin()->first < before_us) {
    old.push_back(by_age_.begin()->second);
    erase(old.back());
  }
  return old;
}

std::vector<std::pair<TaskId, Revocation>> RevocationTable::newest(std::size_t count) const {
  std::vector<std::pair<TaskId, Revocation>> list;
  for (auto at = by_age_.rbegin(); at != by_age_.rend() && list.size() < count; ++at) {
    list.emplace_back(at->second, marks_.at(at->second));
  }
  return list;
}

Bytes RevocationTable::key(const TaskId& id) {
  return id.is_uuid() ? Bytes{"u"}.append(id.uuid().view()) : Bytes{"t"}.append(id.text());
}

Bytes RevocationTable::pack(const Revocation& mark) {
  Bytes bytes;
  Writer out{bytes};
  out.array(3);
  out.integer(mark.at_us);
  out.boolean(mark.terminate);
  out.str(mark.signal);
  return bytes;
}

bool RevocationTable::restore(BytesView key, BytesView value) {
  Reader in{value};
  Revocation mark;
  if (in.array() != 3) in.fail("a revocation has three fields");
  mark.at_us = in.integer();
  mark.terminate = in.boolean();
  mark.signal = in.str();
  const bool is_uuid = key.size() == 17 && key.front() == 'u';
  if (!in.ok() || (!is_uuid && (key.size() < 2 || key.front() != 't'))) return false;
  const BytesView id = key.substr(1);
  add(is_uuid ? TaskId{Uuid::from_bytes(id)} : TaskId::from_text(id), std::move(mark));
  return true;
}

}  // namespace baozi::broker
