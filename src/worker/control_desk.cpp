#include "worker/control_desk.hpp"

#include <algorithm>
#include <utility>

namespace baozi::worker {

ControlDesk::Taken ControlDesk::take(const Asker& asker, std::string_view once,
                                     std::uint64_t& ticket, const Answer*& known) {
  if (!once.empty()) {
    if (const auto found = answers_.find(once); found != answers_.end()) {
      known = &found->second;
      return Taken::answered;
    }
    for (auto& [number, open] : open_) {
      if (open.once != once) continue;
      if (open.askers.size() >= open_max) return Taken::full;
      open.askers.push_back(asker);
      ticket = number;
      return Taken::waits;
    }
  }
  if (open_.size() >= open_max) return Taken::full;
  ticket = next_ticket_++;
  open_.emplace(ticket, Open{std::string{once}, {asker}});
  return Taken::fresh;
}

std::vector<ControlDesk::Asker> ControlDesk::answer(std::uint64_t ticket, const Answer& answer) {
  const auto found = open_.find(ticket);
  if (found == open_.end()) return {};
  Open open = std::move(found->second);
  open_.erase(found);
  if (!open.once.empty()) {
    bytes_ += answer.payload.size();
    answers_.emplace(open.once, answer);
    order_.push_back(std::move(open.once));
    while (order_.size() > answers_max || (bytes_ > answers_bytes_max && order_.size() > 1)) {
      const auto oldest = answers_.find(order_.front());
      bytes_ -= oldest->second.payload.size();
      answers_.erase(oldest);
      order_.pop_front();
    }
  }
  return open.askers;
}

}  // namespace baozi::worker
