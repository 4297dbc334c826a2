#include "worker/prefork/coroutine_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/system_clock.hpp"
#include "base/units.hpp"
#include "worker/prefork/coroutine_parts.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker {

using prefork::CoroutineLink;
using prefork::Packet;

namespace {

/// A descriptor that is closed, unless it is taken.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_{fd} {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

void watch(int poll, int fd, bool write) {
  epoll_event event{};
  event.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST) {
    epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event);
  }
}

}  // namespace

CoroutineProcess::CoroutineProcess(Options options, prefork::ServerLink& server)
    : options_{options},
      server_{server},
      poll_{epoll_create1(EPOLL_CLOEXEC)},
      needed_{options.at_once} {
  if (poll_ < 0) throw std::system_error{errno, std::generic_category(), "epoll"};
  server_.report_to(*this, poll_);
  if (needed_) spawn(base::mono_now());
}

CoroutineProcess::~CoroutineProcess() {
  child_.reset();
  leaving_.clear();
  close(poll_);
}

// ---- processes

CoroutineProcess::Child* CoroutineProcess::child_numbered(std::uint64_t number) const {
  for (Child* const child : all()) {
    if (child->number == number) return child;
  }
  return nullptr;
}

std::vector<CoroutineProcess::Child*> CoroutineProcess::all() const {
  std::vector<Child*> list;
  if (child_) list.push_back(child_.get());
  for (const auto& child : leaving_) list.push_back(child.get());
  return list;
}

void CoroutineProcess::spawn(MonoTime now) {
  spawn_at_.reset();
  try {
    const Descriptor memory{prefork::make_memory_file(sizeof(prefork::CoroutineSegment))};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
      throw std::system_error{errno, std::generic_category(), "cannot make a socket pair"};
    }
    Descriptor ours{ends[0]};
    const Descriptor theirs{ends[1]};
    auto child = std::make_unique<Child>(memory.get(), ours.take());
    const Descriptor output{child->output.open()};
    const auto number = server_.spawn(memory.get(), theirs.get(), output.get());
    if (!number) return;  // it says when it is there
    child->number = *number;
    child->since = now;
    watch(poll_, child->link.fd(), false);
    watch(poll_, child->output.fd(), false);
    child_ = std::move(child);
  } catch (const std::exception& error) {
    retry_later(error.what(), now);
  }
}

void CoroutineProcess::retry_later(const std::string& why, MonoTime now) {
  const Micros wait = prefork::backoff(failures_++);
  spawn_at_ = now + wait;
  warnings_.push_back("coroutine tasks have no process: " + why + "; next try in " +
                      base::to_text(wait));
}

void CoroutineProcess::retire(MonoTime now) {
  child_->leaves = true;
  child_->link.ask_to_leave();
  write_to(*child_);
  leaving_.push_back(std::move(child_));
  spawn(now);
}

void CoroutineProcess::restart() {
  if (child_ && !child_->dying) retire(base::mono_now());
}

void CoroutineProcess::replace_if_spent(MonoTime now) {
  if (!child_ || child_->dying || leaving_.size() + 1 >= children_max) return;
  const std::uint64_t most = options_.tasks_per_child_max;
  if (child_->link.is_full() || (most != 0 && child_->link.answered() >= most)) retire(now);
}

void CoroutineProcess::on_server_up(MonoTime now) {
  if (child_ && !child_->dying) {
    retire(now);  // it came from another one
  } else if (!child_ && needed_) {
    spawn(now);
  }
}

void CoroutineProcess::kill(Child& child) {
  child.dying = true;
  if (child.pid != 0) server_.kill(child.number, SIGKILL);  // else once it is there
}

void CoroutineProcess::distrust(Child& child, const char* why) {
  if (child.dying) return;
  child.damage = why;
  kill(child);
}

void CoroutineProcess::on_packet(const Packet& packet, MonoTime now) {
  Child* const child = child_numbered(packet.child);
  if (child == nullptr) return;
  switch (packet.order) {
    case prefork::Order::spawned:
      child->pid = static_cast<pid_t>(packet.pid);
      if (child->dying) kill(*child);
      return;
    case prefork::Order::failed: {
      const std::unique_ptr<Child> gone = let_go(*child);
      bury(*gone, {.how = packet.text}, false, now);
      if (!child_ && !spawn_at_) retry_later(packet.text, now);
      return;
    }
    case prefork::Order::exited: return on_exited(*child, packet, now);
    default: return;
  }
}

std::vector<ProcessStatus> CoroutineProcess::processes() const {
  std::vector<ProcessStatus> list;
  if (!child_ && needed_) list.emplace_back();
  for (const Child* const child : all()) {
    list.push_back({.id = child->pid,
                    .in_flight = child->link.in_flight(),
                    .executed = child->link.answered(),
                    .since = child->since,
                    .leaving = child->leaves || child->dying});
  }
  return list;
}

// ---- items

std::size_t CoroutineProcess::submit(std::span<const Start> items) {
  if (!accepting_ || items.empty()) return 0;
  backlog_.insert(backlog_.end(), items.begin(), items.end());
  in_hand_ += items.size();
  const MonoTime now = base::mono_now();
  if (!std::exchange(needed_, true)) spawn(now);
  if (!look_at_) look_at_ = now + options_.patience;
  feed(now);
  return items.size();
}

void CoroutineProcess::feed(MonoTime now) {
  if (!child_ || child_->dying || !child_->link.is_up()) return;
  while (!backlog_.empty() && child_->link.push(backlog_.front(), now)) backlog_.pop_front();
  write_to(*child_);
}

void CoroutineProcess::write_to(Child& child) {
  child.link.flush();
  if (child.link.has_unwritten() != std::exchange(child.stuffed, child.link.has_unwritten())) {
    watch(poll_, child.link.fd(), child.stuffed);
  }
}

void CoroutineProcess::collect(Child& child, MonoTime now) {
  if (child.silent) return;
  const std::size_t first = ended_.size();
  const std::size_t from = first + returned_.size();
  const CoroutineLink::Said said = child.link.collect({ended_, updates_, returned_});
  in_hand_ -= ended_.size() + returned_.size() - from;
  for (Ended& one : take_unnamed(ended_, first)) {
    server_.finish(child.number, std::move(one), now);
  }
  if (said == CoroutineLink::Said::sense) return;
  child.silent = true;
  epoll_ctl(poll_, EPOLL_CTL_DEL, child.link.fd(), nullptr);
  child.silent_since = now;
  if (said == CoroutineLink::Said::nonsense) {
    distrust(child, "it said to the worker what makes no sense");
  }
}

void CoroutineProcess::read_output(Child& child, bool last) {
  child.output.read(last, child.link.answered(),
                    "coroutines (process " + std::to_string(child.pid) + "): ", notices_);
}

void CoroutineProcess::take_events(PoolEvents& out) {
  const MonoTime now = base::mono_now();
  for (Child* const child : all()) {
    collect(*child, now);
    read_output(*child, false);
    write_to(*child);
  }
  replace_if_spent(now);
  feed(now);
  const auto move_to = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    from.clear();
  };
  move_to(out.updates, updates_);
  move_to(out.completions, ended_);
  move_to(out.returned, returned_);
  move_to(out.warnings, warnings_);
  move_to(out.notices, notices_);
}

Cancelled CoroutineProcess::cancel(Token token, bool interrupt) {
  const auto waiting = std::find_if(backlog_.begin(), backlog_.end(),
                                    [&](const Start& start) { return start.token == token; });
  if (waiting != backlog_.end()) {
    backlog_.erase(waiting);
    --in_hand_;
    return Cancelled::taken_back;
  }
  for (Child* const child : all()) {
    if (!child->link.has(token)) continue;
    child->link.ask_back(token, interrupt);  // written with the next turn, all at once
    return Cancelled::running;
  }
  const bool ends = std::any_of(ended_.begin(), ended_.end(),
                                [&](const Ended& one) { return one.token == token; }) ||
                    std::count(returned_.begin(), returned_.end(), token) > 0;
  return ends ? Cancelled::running : Cancelled::unknown;
}

std::vector<Token> CoroutineProcess::stop(StopMode mode) {
  accepting_ = false;
  std::vector<Token> given_back;
  if (mode == StopMode::drain) return given_back;
  for (const Start& start : std::exchange(backlog_, {})) given_back.push_back(start.token);
  in_hand_ -= given_back.size();
  for (Child* const child : all()) {
    std::vector<Token> there;
    child->link.for_each([&](const auto& one) { there.push_back(one.start.token); });
    for (const Token token : there) child->link.ask_back(token, mode == StopMode::interrupt);
    write_to(*child);
  }
  return given_back;
}

std::vector<SlotStatus> CoroutineProcess::status() const {
  const MonoTime now = base::mono_now();
  std::vector<SlotStatus> list;
  for (const Child* const child : all()) {
    child->link.for_each([&](const CoroutineLink::Item& one) {
      const auto began = child->link.began(one, now);
      if (!began) return;
      SlotStatus status;
      status.id = child->pid;
      status.token = one.start.token;
      status.since = *began;
      list.push_back(status);
    });
  }
  std::sort(list.begin(), list.end(),
            [](const SlotStatus& a, const SlotStatus& b) { return *a.token < *b.token; });
  return list;
}

// ---- time

void CoroutineProcess::tick(MonoTime now) {
  if (spawn_at_ && now >= *spawn_at_) spawn(now);
  for (Child* const child : all()) {
    // Nobody can hear from it any more. One that ends has a moment for that.
    if (child->silent && !child->dying && now - child->silent_since >= options_.patience) {
      distrust(*child, "it had closed its connection to the worker");
    }
  }
  if (look_at_ && now >= *look_at_) look_for_hogs(now);
}

std::optional<MonoTime> CoroutineProcess::next_deadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&next](std::optional<MonoTime> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  consider(spawn_at_);
  consider(look_at_);
  const bool has_news = !ended_.empty() || !returned_.empty() || !warnings_.empty();
  if (has_news) consider(base::mono_now());
  for (const Child* const child : all()) {
    if (child->silent && !child->dying) consider(child->silent_since + options_.patience);
    if (child->link.has_unwritten() && !child->stuffed) consider(base::mono_now());
  }
  return next;
}

/// One that has not awaited anything for long is named, and killed with its process once it has
/// spent its hard limit and the patience beyond it.
void CoroutineProcess::look_for_hogs(MonoTime now) {
  look_at_ = in_hand_ > 0 ? std::optional{now + options_.patience} : std::nullopt;
  for (Child* const child : all()) {
    if (child->dying) continue;
    collect(*child, now);  // it may have ended by now
    const auto runs = child->link.running();
    if (!runs) continue;
    if (now - runs->since < options_.patience) {
      look_at_ = std::min(look_at_.value_or(MonoTime::max()), runs->since + options_.patience);
      continue;
    }
    const Start hog = runs->item->start;
    if (runs->step != std::exchange(child->warned_step, runs->step)) {
      warnings_.push_back(hog_warning(hog, now - runs->since));
    }
    const auto began = child->link.began(*runs->item, now);
    if (hog.time_limit <= Micros{0} || !began) continue;
    const MonoTime at = *began + hog.time_limit + options_.patience;
    if (now >= at) {
      end_by_limit(*child, hog, *began, now);
    } else {
      look_at_ = std::min(look_at_.value_or(MonoTime::max()), at);
    }
  }
}

}  // namespace baozi::worker
