#include "worker/prefork/prefork_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/system_clock.hpp"
#include "base/units.hpp"
#include "worker/failure.hpp"
#include "worker/prefork/prefork_parts.hpp"

namespace baozi::worker {

using prefork::coroutine_child;
using prefork::Order;
using prefork::Packet;

namespace {

constexpr Micros scan{50'000};  // a wake that was lost is a delay of no more than that
constexpr Micros look{1'000'000};
constexpr std::size_t names_max = 256;
constexpr Micros begin_patience{10'000'000};  // machines are busy

}  // namespace

PreforkPool::PreforkPool(Options options) : options_{std::move(options)} {
  if (options_.children == 0) throw std::invalid_argument{"a pool has one process or more"};
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  events_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poll_ < 0 || events_ < 0) {
    throw std::system_error{errno, std::generic_category(), "cannot make the pool's descriptors"};
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // never read: its count reaches no end
  event.data.u64 = tag_events;
  epoll_ctl(poll_, EPOLL_CTL_ADD, events_, &event);
  server_ = start_server(base::mono_now());
  prefork::ServerProcess::Loaded loaded = server_->process.wait_until_ready(options_.load_patience);
  auto tasks = std::make_shared<const TaskTable>(TaskTable::from_description(loaded.description));
  take_tasks(std::move(tasks), std::move(loaded.description));
  if (loaded.anew) warnings_.emplace_back(loads_anew);
  server_->up = true;
  resize(options_.children);
}

PreforkPool::~PreforkPool() {
  for (const auto& server : former_) server->process.end();  // all at once
  if (coming_) static_cast<void>(coming_->process.kill());
  if (server_) server_->process.stop();
  coming_.reset();
  former_.clear();
  slots_.clear();
  leaving_.clear();
  close(events_);
  close(poll_);
}

PreforkPool::Child* PreforkPool::child_numbered(std::uint64_t number) {
  const auto found = children_.find(number);
  return found == children_.end() ? nullptr : found->second;
}

// ---- slots

void PreforkPool::spawn(Slot& slot, MonoTime now) {
  slot.spawn_at.reset();
  if (!server_ || !server_->up) return;  // all are, once it is back
  int output = -1;
  int memory = -1;
  try {
    memory = prefork::make_segment_file();
    auto child = std::make_unique<Child>(next_child_++, slot.index, *server_, memory);
    output = child->output.open();
    child->since = now;
    child->link.arm();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = child->number;
    epoll_ctl(poll_, EPOLL_CTL_ADD, child->output.fd(), &event);
    server_->process.send({.order = Order::spawn, .slot = slot.index, .child = child->number},
                          {memory, events_, output});
    children_[child->number] = child.get();
    slot.child = std::move(child);
  } catch (const std::exception& error) {
    retry_later(slot, error.what(), now);
  }
  if (memory >= 0) close(memory);
  if (output >= 0) close(output);
}

void PreforkPool::spawn_what_is_due(MonoTime now) {
  for (const auto& slot : slots_) {
    if (slot->spawn_at && now >= *slot->spawn_at) spawn(*slot, now);
  }
}

void PreforkPool::retry_later(Slot& slot, const std::string& why, MonoTime now) {
  const Micros wait = prefork::backoff(slot.failures++);
  slot.spawn_at = now + wait;
  warnings_.push_back("slot " + std::to_string(slot.index) + " has no process: " + why +
                      "; next try in " + base::to_text(wait));
}

std::size_t PreforkPool::resize(std::size_t count) {
  count = std::clamp<std::size_t>(count, 1, slots_max);
  const MonoTime now = base::mono_now();
  while (slots_.size() > count) {
    if (std::unique_ptr<Child> child = std::move(slots_.back()->child)) {
      let_go(*child);
      leaving_.push_back(std::move(child));
    }
    slots_.pop_back();
  }
  while (slots_.size() < count) {
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>());
    slot.index = static_cast<std::uint32_t>(slots_.size() - 1);
    spawn(slot, now);
  }
  feed(now);
  return slots_.size();
}

void PreforkPool::restart() {
  for (const auto& slot : slots_) {
    if (slot->child) let_go(*slot->child);
  }
}

/// It ends after its task, and what it has not begun goes to others.
void PreforkPool::let_go(Child& child) {
  child.leaves = true;
  child.link.ask_to_leave();
  const std::vector<Start> ready = child.link.take_back_ready(prefork::ring_slots);
  backlog_.insert(backlog_.begin(), ready.begin(), ready.end());
}

std::vector<SlotStatus> PreforkPool::status() const {
  std::vector<SlotStatus> list;
  const auto add = [&list](Child& child, std::uint64_t executed_before) {
    SlotStatus status;
    status.index = child.slot;
    status.id = child.pid;
    status.executed = executed_before + child.link.answered();
    status.leaving = child.leaves || child.dying;
    status.since = child.since;
    if (const ChildLink::Item* const item = child.link.running()) {
      status.token = item->start.token;
      status.since = child.link.began(*item, base::mono_now());
    }
    list.push_back(status);
  };
  for (const auto& slot : slots_) {
    if (slot->child) {
      add(*slot->child, slot->executed);
    } else {
      list.push_back({.index = slot->index, .executed = slot->executed});
    }
  }
  for (const auto& child : leaving_) add(*child, 0);
  return list;
}

void PreforkPool::kill(Child& child, int signal) {
  if (child.pid == 0) {
    child.signal_waits = signal;
    return;
  }
  child.server->process.send({.order = Order::kill, .child = child.number, .value = signal});
}

void PreforkPool::distrust(Child& child, const char* why) {
  if (child.dying) return;
  child.damage = why;
  child.dying = true;
  kill(child, SIGKILL);
}

// ---- what arrives

void PreforkPool::read_output(Child& child, bool last) {
  child.output.read(
      last, child.link.answered(),
      "slot " + std::to_string(child.slot) + " (process " + std::to_string(child.pid) + "): ",
      notices_);
}

void PreforkPool::on_packet(Server& server, const Packet& packet, MonoTime now) {
  const auto beside = children_beside_.find(packet.child);
  if (beside != children_beside_.end() && beside->second == &server) {
    beside_->on_packet(packet, now);
    if (packet.order != Order::spawned) children_beside_.erase(packet.child);
    return;
  }
  Child* child = child_numbered(packet.child);
  if (child != nullptr && child->server != &server) child = nullptr;
  switch (packet.order) {
    case Order::spawned:
      if (child == nullptr) return;
      child->pid = static_cast<pid_t>(packet.pid);
      if (child->signal_waits != 0) kill(*child, std::exchange(child->signal_waits, 0));
      return;
    case Order::failed: {
      if (child == nullptr) return;
      const std::uint32_t index = child->slot;
      bury(*child, {.how = packet.text}, now);
      drop(*child);
      if (index < slots_.size() && !slots_[index]->child) {
        retry_later(*slots_[index], packet.text, now);
      }
      return;
    }
    case Order::exited:
      if (child != nullptr) {
        on_exited(*child, static_cast<int>(packet.value), packet.usage, now);
      }
      return;
    case Order::named: {
      auto found = unnamed_.extract(packet.value);
      if (found.empty()) return;
      Unnamed& one = found.mapped();
      if (!one.addresses.empty() && !packet.text.empty()) {
        if (names_.size() >= names_max) names_.clear();
        names_[{one.server, one.addresses}] = packet.text;
      }
      return complete(std::move(one).named(packet.text));
    }
    default: return on_server_packet(server, packet, now);
  }
}

void PreforkPool::serve(MonoTime now) {
  epoll_event news[32];
  const int count = epoll_wait(poll_, news, 32, 0);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t tag = news[i].data.u64;
    if (tag == tag_events) continue;  // every child is looked at anyway
    if ((tag & tag_server) == 0) {
      if (Child* const child = child_numbered(tag)) read_output(*child, false);
      continue;
    }
    // What it says may be the last of it.
    while (Server* const server = server_numbered(tag & ~tag_server)) {
      prefork::Received got;
      const prefork::Arrival arrival = prefork::receive(server->process.socket(), got);
      if (arrival == prefork::Arrival::nothing) break;
      for (const int fd : got.descriptors) close(fd);  // none is sent this way
      if (arrival == prefork::Arrival::gone) {
        server_gone(*server, now);
      } else {
        on_packet(*server, got.packet, now);
      }
    }
  }
}

void PreforkPool::take_events(PoolEvents& out) {
  out.clear();
  const MonoTime now = base::mono_now();
  for (const auto& [number, child] : children_) {
    collect(*child);
    // The kernel takes its time over a process, and others are idle meanwhile.
    if (!child->leaves && child->link.is_ending()) let_go(*child);
  }
  serve(now);
  feed(now);
  spawn_what_is_due(now);
  out.tasks_changed = std::exchange(tasks_changed_, false);
  out.reloaded = std::exchange(reloaded_, std::nullopt);
  out.updates.swap(updates_);
  out.completions.swap(ended_);
  out.warnings.swap(warnings_);
  out.notices.swap(notices_);
}

// ---- children beside the slots

void PreforkPool::report_to(User& user, int poll_set) {
  beside_ = &user;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag_beside;  // its owner looks at it in every turn
  epoll_ctl(poll_, EPOLL_CTL_ADD, poll_set, &event);
}

std::optional<std::uint64_t> PreforkPool::spawn(int memory, int socket, int output) {
  const Packet order{.order = Order::spawn, .child = next_child_, .value = coroutine_child};
  if (!server_ || !server_->up || !server_->process.send(order, {memory, socket, output})) {
    return std::nullopt;
  }
  children_beside_[next_child_] = server_.get();
  return next_child_++;
}

void PreforkPool::kill(std::uint64_t child, int signal) {
  const auto found = children_beside_.find(child);
  if (found == children_beside_.end()) return;
  found->second->process.send({.order = Order::kill, .child = child, .value = signal});
}

// ---- time

void PreforkPool::tick(MonoTime now) {
  look_after_servers(now);
  spawn_what_is_due(now);
  for (const auto& [number, child] : children_) {
    if (child->release_at != MonoTime{} && now >= child->release_at) {
      child->release_at = {};
      if (!child->dying) child->link.release();
    }
  }
  for (auto one = unnamed_.begin(); one != unnamed_.end();) {
    if (now < one->second.until) {
      ++one;
      continue;
    }
    complete(std::move(one->second).named({}));
    one = unnamed_.erase(one);
  }
  if (now >= look_at_) {
    look_at_ = now + look;
    look_for_stuck(now);
  }
  if (check_limits_at_ && now >= *check_limits_at_) check_limits(now);
  if (rebalance_at_ && now >= *rebalance_at_) rebalance(now);
}

/// Whoever could go on and does not: the server where somebody has stopped it, and a child that
/// does not begin what it was given (it was stopped, or does not find it in what a task has left of
/// its memory).
void PreforkPool::look_for_stuck(MonoTime now) {
  const auto wake = [&](const std::unique_ptr<Server>& server) {
    if (!server || !server->process.wake_if_stopped()) return;
    warnings_.emplace_back("the fork server was stopped by a signal, and had to be told to go on");
  };
  wake(server_);
  wake(coming_);
  for (const auto& server : former_) wake(server);
  for (const auto& [number, child] : children_) {
    if (child->dying || !child->link.is_up()) continue;
    if (!child->link.waits_since(now - begin_patience) || child->since > now - begin_patience) {
      continue;
    }
    const std::vector<Start> ready = child->link.take_back_ready(prefork::ring_slots);
    backlog_.insert(backlog_.begin(), ready.begin(), ready.end());
    if (child->link.live() != 0) continue;  // it has begun after all
    distrust(*child, "it did not begin what it was given");
  }
}

std::optional<MonoTime> PreforkPool::next_deadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&next](std::optional<MonoTime> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  consider(check_limits_at_);
  consider(rebalance_at_);
  consider(server_again_at_);
  for (const auto* const loads : {&server_, &coming_}) {
    if (*loads && !(*loads)->up) consider((*loads)->patience_ends);
  }
  const bool one_ends = std::any_of(former_.begin(), former_.end(), [&](const auto& server) {
    return server->ends || !is_needed(*server);
  });
  if (one_ends) consider(base::mono_now() + scan);
  for (const auto& slot : slots_) consider(slot->spawn_at);
  for (const auto& [number, child] : children_) {
    if (child->release_at != MonoTime{}) consider(child->release_at);
  }
  if (in_hand_ > 0) consider(base::mono_now() + scan);
  return next;
}

}  // namespace baozi::worker
