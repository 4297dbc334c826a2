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

using prefork::Order;
using prefork::Packet;

namespace {

constexpr Micros scan{50'000};  // a wake that was lost is a delay of no more than that
constexpr Micros backoff_first{100'000};
constexpr Micros backoff_most{10'000'000};
constexpr std::size_t line_bytes_max = 4'096;
constexpr std::size_t output_bytes_per_turn = 64UL * 1'024;

// What epoll gives back: a child's number, or one of these.
constexpr std::uint64_t tag_events = 0;
constexpr std::uint64_t tag_server = ~std::uint64_t{0};

constexpr Micros look{1'000'000};
constexpr Micros begin_patience{10'000'000};  // machines are busy

Micros backoff(int failures) {
  return std::min(backoff_first * (1 << std::min(failures, 10)), backoff_most);
}

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
  const MonoTime now = base::mono_now();
  start_server(now);
  if (server_.wait_until_ready(options_.load_patience)) {
    warnings_.emplace_back(
        "loading the tasks starts threads, which a fork does not copy: each child loads them anew, "
        "and crashes are told without a stack");
  }
  server_up_ = true;
  resize(options_.children);
}

PreforkPool::~PreforkPool() {
  server_.stop();
  slots_.clear();
  leaving_.clear();
  close(events_);
  close(poll_);
}

// ---- the server

void PreforkPool::start_server(MonoTime) {
  server_.start(options_.program, {.apps = options_.apps,
                                   .worker_name = options_.worker_name,
                                   .tasks_max = options_.tasks_per_child_max,
                                   .memory_max = options_.child_bytes_max});
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag_server;
  epoll_ctl(poll_, EPOLL_CTL_ADD, server_.socket(), &event);
}

/// It runs no code of tasks, so somebody has ended it. Its children have died with it.
void PreforkPool::server_lost(MonoTime now) {
  server_up_ = false;
  std::vector<Child*> all;
  for (const auto& [number, child] : children_) all.push_back(child);
  for (Child* const child : all) {
    if (child->pid > 0) ::kill(-child->pid, SIGKILL);
    bury(*child, {.how = "its process was lost together with the fork server", .with_server = true},
         now);
    drop(*child);
  }
  server_.stop();
  server_.end_leftovers();
  for (auto& [question, one] : unnamed_) complete(std::move(one).without_stack());
  unnamed_.clear();
  server_again_at_ = now + backoff(server_failures_++);
  warnings_.push_back("the fork server was lost; it is started again in " +
                      base::to_text(*server_again_at_ - now));
}

PreforkPool::Child* PreforkPool::child_numbered(std::uint64_t number) {
  const auto found = children_.find(number);
  return found == children_.end() ? nullptr : found->second;
}

// ---- slots

void PreforkPool::spawn(Slot& slot, MonoTime now) {
  slot.spawn_at.reset();
  if (!server_up_) return;  // all are, once it is back
  int output[2] = {-1, -1};
  int memory = -1;
  try {
    memory = prefork::make_segment_file();
    auto child = std::make_unique<Child>(next_child_++, slot.index, memory);
    if (pipe2(output, O_CLOEXEC) != 0) {
      throw std::system_error{errno, std::generic_category(), "cannot make a pipe"};
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    child->output = output[0];
    child->since = now;
    child->link.arm();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = child->number;
    epoll_ctl(poll_, EPOLL_CTL_ADD, child->output, &event);
    server_.send({.order = Order::spawn, .slot = slot.index, .child = child->number},
                 {memory, events_, output[1]});
    children_[child->number] = child.get();
    slot.child = std::move(child);
  } catch (const std::exception& error) {
    retry_later(slot, error.what(), now);
  }
  if (memory >= 0) close(memory);
  if (output[1] >= 0) close(output[1]);
}

void PreforkPool::retry_later(Slot& slot, const std::string& why, MonoTime now) {
  const Micros wait = backoff(slot.failures++);
  slot.spawn_at = now + wait;
  warnings_.push_back("slot " + std::to_string(slot.index) + " has no process: " + why +
                      "; next try in " + base::to_text(wait));
}

std::size_t PreforkPool::resize(std::size_t count) {
  count = std::clamp<std::size_t>(count, 1, slots_max);
  const MonoTime now = base::mono_now();
  while (slots_.size() > count) {
    if (std::unique_ptr<Child> child = std::move(slots_.back()->child)) {
      child->leaves = true;
      child->link.ask_to_leave();
      const std::vector<Start> ready = child->link.take_back_ready(prefork::ring_slots);
      backlog_.insert(backlog_.begin(), ready.begin(), ready.end());
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
    if (!slot->child) continue;
    slot->child->leaves = true;
    slot->child->link.ask_to_leave();
  }
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
  server_.send({.order = Order::kill, .child = child.number, .value = signal});
}

void PreforkPool::distrust(Child& child, const char* why) {
  if (child.dying) return;
  child.damage = why;
  child.dying = true;
  kill(child, SIGKILL);
}

// ---- what arrives

void PreforkPool::read_output(Child& child, bool last) {
  if (child.output < 0) return;
  char buffer[4'096];
  std::size_t taken = 0;
  const auto tell = [&](std::string_view text) {
    notices_.push_back("slot " + std::to_string(child.slot) + " (process " +
                       std::to_string(child.pid) + "): " + std::string{text});
  };
  while (last || taken < output_bytes_per_turn) {
    const ssize_t size = read(child.output, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      if (size == 0) {  // nobody can write to it any more
        close(child.output);
        child.output = -1;
      }
      break;
    }
    taken += static_cast<std::size_t>(size);
    child.line.append(buffer, static_cast<std::size_t>(size));
    std::size_t from = 0;
    for (std::size_t end = child.line.find('\n'); end != std::string::npos;
         end = child.line.find('\n', from)) {
      tell(std::string_view{child.line}.substr(from, end - from));
      from = end + 1;
    }
    child.line.erase(0, from);
    if (child.line.size() > line_bytes_max) {
      tell(child.line);
      child.line.clear();
    }
    if (last && taken > 16 * output_bytes_per_turn) break;  // a grandchild that never stops
  }
  if (last && !child.line.empty()) tell(std::exchange(child.line, {}));
}

void PreforkPool::on_packet(const Packet& packet, MonoTime now) {
  Child* const child = child_numbered(packet.child);
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
      const std::string trace =
          packet.text.empty() ? std::string{} : one.type + ": " + one.message + '\n' + packet.text;
      one.ended.value = Failure{one.type, one.message, trace}.packed();
      return complete(std::move(one.ended));
    }
    case Order::ready:
      server_up_ = true;
      server_failures_ = 0;
      for (const auto& slot : slots_) {
        if (!slot->child) spawn(*slot, now);
      }
      return;
    case Order::refused:
      warnings_.push_back("the fork server cannot load the tasks again: " + packet.text);
      return;
    default: return;
  }
}

void PreforkPool::serve(MonoTime now) {
  epoll_event news[32];
  const int count = epoll_wait(poll_, news, 32, 0);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t tag = news[i].data.u64;
    if (tag == tag_events) continue;  // every child is looked at anyway
    if (tag != tag_server) {
      if (Child* const child = child_numbered(tag)) read_output(*child, false);
      continue;
    }
    while (server_.socket() >= 0) {
      prefork::Received got;
      const prefork::Arrival arrival = prefork::receive(server_.socket(), got);
      if (arrival == prefork::Arrival::packet) {
        on_packet(got.packet, now);
        continue;
      }
      if (arrival == prefork::Arrival::gone) server_lost(now);
      break;
    }
  }
}

void PreforkPool::take_events(PoolEvents& out) {
  out.clear();
  const MonoTime now = base::mono_now();
  for (const auto& [number, child] : children_) collect(*child);
  serve(now);
  feed(now);
  out.updates.swap(updates_);
  out.completions.swap(ended_);
  out.warnings.swap(warnings_);
  out.notices.swap(notices_);
}

// ---- time

void PreforkPool::tick(MonoTime now) {
  if (server_again_at_ && now >= *server_again_at_) {
    server_again_at_.reset();
    try {
      start_server(now);
    } catch (const std::exception& error) {
      server_again_at_ = now + backoff(server_failures_++);
      warnings_.emplace_back(error.what());
    }
  }
  for (const auto& slot : slots_) {
    if (slot->spawn_at && now >= *slot->spawn_at) spawn(*slot, now);
  }
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
    complete(std::move(one->second).without_stack());
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
  if (server_.wake_if_stopped()) {
    warnings_.emplace_back("the fork server was stopped by a signal, and had to be told to go on");
  }
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
  for (const auto& slot : slots_) consider(slot->spawn_at);
  for (const auto& [number, child] : children_) {
    if (child->release_at != MonoTime{}) consider(child->release_at);
  }
  if (in_hand_ > 0) consider(base::mono_now() + scan);
  return next;
}

}  // namespace baozi::worker
