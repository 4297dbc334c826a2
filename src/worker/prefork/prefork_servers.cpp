// A PreforkPool's fork servers: one that was lost is started again, and one whose libraries have
// changed is replaced while tasks run.
#include <csignal>
#include <utility>

#include <sys/epoll.h>

#include "base/system_clock.hpp"
#include "base/units.hpp"
#include "worker/prefork/prefork_parts.hpp"

namespace baozi::worker {

using prefork::Order;
using prefork::Packet;

namespace {

constexpr Micros end_patience{10'000'000};
constexpr std::size_t description_bytes_max = std::size_t{64} << 20U;

}  // namespace

pid_t PreforkPool::server_pid() const { return server_ ? server_->process.pid() : -1; }

std::unique_ptr<PreforkPool::Server> PreforkPool::start_server(MonoTime now) {
  auto server = std::make_unique<Server>();
  server->number = next_server_++;
  server->patience_ends = now + options_.load_patience;
  server->process.start(options_.program, {.apps = options_.apps,
                                           .worker_name = options_.worker_name,
                                           .tasks_max = options_.tasks_per_child_max,
                                           .memory_max = options_.child_bytes_max});
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag_server | server->number;
  epoll_ctl(poll_, EPOLL_CTL_ADD, server->process.socket(), &event);
  return server;
}

PreforkPool::Server* PreforkPool::server_numbered(std::uint64_t number) {
  const auto is = [number](const std::unique_ptr<Server>& server) {
    return server && server->number == number && server->process.socket() >= 0;
  };
  if (is(server_)) return server_.get();
  if (is(coming_)) return coming_.get();
  const auto found = std::find_if(former_.begin(), former_.end(), is);
  return found == former_.end() ? nullptr : found->get();
}

// ---- one is lost

void PreforkPool::start_server_later(const std::string& why, MonoTime now) {
  server_.reset();
  const Micros wait = prefork::backoff(server_failures_++);
  server_again_at_ = now + wait;
  warnings_.push_back(why + "; it is started again in " + base::to_text(wait));
}

/// It runs no code of tasks, so somebody has ended it, or loading has. Its children have died with
/// it.
void PreforkPool::server_gone(Server& server, MonoTime now) {
  if (!server.up) {
    return server_failed(server, prefork::ended_while_loading + server.process.kill(), now);
  }
  static_cast<void>(server.process.kill());  // should it only have closed its socket
  std::vector<Child*> lost;
  for (const auto& [number, child] : children_) {
    if (child->server == &server) lost.push_back(child);
  }
  std::vector<std::uint32_t> empty;
  for (Child* const child : lost) {
    if (child->pid > 0) ::kill(-child->pid, SIGKILL);
    bury(*child, {.how = "its process was lost together with the fork server", .with_server = true},
         now);
    empty.push_back(child->slot);
    drop(*child);
  }
  for (auto one = children_beside_.begin(); one != children_beside_.end();) {
    const std::uint64_t number = one->first;
    const bool was_its = one->second == &server;
    one = was_its ? children_beside_.erase(one) : std::next(one);
    if (was_its) beside_->on_server_lost(number, now);
  }
  for (auto& [question, one] : unnamed_) {
    if (one.server == server.number) one.until = now;  // nobody will answer
  }
  if (&server == server_.get()) return start_server_later("the fork server was lost", now);
  warnings_.emplace_back("the fork server of earlier libraries was lost");
  std::erase_if(former_, [&](const auto& one) { return one.get() == &server; });
  for (const std::uint32_t index : empty) {
    if (index < slots_.size() && !slots_[index]->child) spawn(*slots_[index], now);
  }
}

void PreforkPool::server_failed(Server& server, const std::string& why, MonoTime now) {
  static_cast<void>(server.process.kill());
  if (&server == coming_.get()) {
    coming_.reset();
    reloaded_ = why;
  } else {
    start_server_later("the fork server cannot load the tasks again: " + why, now);
  }
}

// ---- one comes up

void PreforkPool::on_server_packet(Server& server, const Packet& packet, MonoTime now) {
  if (server.up) return;
  switch (packet.order) {
    case Order::tasks:
      server.description += packet.text;
      if (server.description.size() > description_bytes_max) {
        server_failed(server, "the description of the tasks has no end", now);
      }
      return;
    case Order::ready: return server_loaded(server, packet.value != 0, now);
    case Order::refused: return server_failed(server, packet.text, now);
    default: return;
  }
}

void PreforkPool::server_loaded(Server& server, bool anew, MonoTime now) {
  if (server.description != description_) {
    std::shared_ptr<const TaskTable> tasks;
    try {
      tasks = std::make_shared<const TaskTable>(TaskTable::from_description(server.description));
    } catch (const std::exception& error) {
      return server_failed(server, error.what(), now);
    }
    take_tasks(std::move(tasks), std::move(server.description));
  }
  server.description = {};
  server.up = true;
  server_failures_ = 0;
  if (anew) warnings_.emplace_back(loads_anew);
  if (&server == coming_.get()) change_servers();
  for (const auto& slot : slots_) {
    if (!slot->child) spawn(*slot, now);
  }
  if (beside_ != nullptr) beside_->on_server_up(now);
}

void PreforkPool::take_tasks(std::shared_ptr<const TaskTable> tasks, Bytes description) {
  tasks_ = std::move(tasks);
  description_ = std::move(description);
  tasks_changed_ = true;
}

/// From the next child on, the new server's libraries are the tasks' code.
void PreforkPool::change_servers() {
  server_again_at_.reset();
  if (server_ && !server_->up) static_cast<void>(server_->process.kill());
  if (server_ && server_->up) former_.push_back(std::move(server_));
  server_ = std::move(coming_);
  restart();
  reloaded_.emplace();
}

// ---- reload

std::string PreforkPool::reload() {
  if (!accepting_) return "the pool is stopping";
  if (coming_) return "the task libraries are being loaded already";
  try {
    coming_ = start_server(base::mono_now());
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

void PreforkPool::abandon_reload() {
  if (coming_) static_cast<void>(coming_->process.kill());
  coming_.reset();
}

// ---- time

/// It has children, or is to name a stack of one.
bool PreforkPool::is_needed(const Server& server) const {
  return std::any_of(children_.begin(), children_.end(),
                     [&](const auto& one) { return one.second->server == &server; }) ||
         std::any_of(children_beside_.begin(), children_beside_.end(),
                     [&](const auto& one) { return one.second == &server; }) ||
         std::any_of(unnamed_.begin(), unnamed_.end(),
                     [&](const auto& one) { return one.second.server == server.number; });
}

void PreforkPool::look_after_servers(MonoTime now) {
  if (server_again_at_ && now >= *server_again_at_) {
    server_again_at_.reset();
    try {
      server_ = start_server(now);
    } catch (const std::exception& error) {
      start_server_later(error.what(), now);
    }
  }
  for (Server* const loads : {server_.get(), coming_.get()}) {
    if (loads != nullptr && !loads->up && now >= loads->patience_ends) {
      server_failed(*loads, prefork::loading_takes_too_long, now);
    }
  }
  for (const auto& server : former_) {
    if (server->ends || is_needed(*server)) continue;
    server->process.end();
    server->ends = now + end_patience;
  }
  std::erase_if(former_, [&](const auto& server) {
    if (!server->ends) return false;
    if (now >= *server->ends) static_cast<void>(server->process.kill());
    return server->process.has_ended();
  });
}

}  // namespace baozi::worker
