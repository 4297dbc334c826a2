#include "worker/prefork/namer.hpp"

#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/prefork/control.hpp"
#include "worker/prefork/crash_text.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker::prefork {

void Namer::start() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    ++failures_;
    return;
  }
  const pid_t server = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != server) _exit(0);  // it died before that
    prctl(PR_SET_NAME, "bz-namer");
    close_range(STDERR_FILENO + 1, static_cast<unsigned>(ends[1]) - 1, 0);
    close_range(static_cast<unsigned>(ends[1]) + 1, ~0U, 0);
    run(ends[1]);
  }
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    ++failures_;
    return;
  }
  setpgid(pid, pid);
  pid_ = pid;
  socket_ = ends[0];
  fcntl(socket_, F_SETFL, O_NONBLOCK);
}

void Namer::run(int socket) {
  Received got;
  while (receive(socket, got) == Arrival::packet) {
    Bytes text;
    if (got.packet.order == Order::traces) {
      text = names_of(got.packet.text);
    } else {
      std::vector<std::uint64_t> frames(got.packet.text.size() / sizeof(std::uint64_t));
      std::memcpy(frames.data(), got.packet.text.data(), frames.size() * sizeof(std::uint64_t));
      text = crash_text(frames);
    }
    send(socket, {.order = Order::named, .text = std::move(text)});
  }
  _exit(0);
}

bool Namer::pass_on(const Stack& stack) {
  if (!send(socket_, {.order = stack.first, .text = stack.second})) return false;
  order_.push_back(stack);
  return true;
}

std::vector<Namer::Answer> Namer::ask(std::int64_t question, Order kind, const Bytes& text) {
  const Stack stack{kind, text};
  if (const auto found = known_.find(stack); found != known_.end()) {
    return {{question, found->second}};
  }
  if (const auto found = asked_.find(stack); found != asked_.end()) {
    found->second.push_back(question);
    return {};
  }
  if (socket_ < 0 && failures_ < failures_max) start();
  if (socket_ < 0 || waiting_.size() >= waiting_max) return {{question, {}}};
  if (order_.size() >= asked_max) {
    waiting_.push_back(stack);
  } else if (!pass_on(stack)) {
    return {{question, {}}};
  }
  asked_[stack] = {question};
  return {};
}

std::vector<Namer::Answer> Namer::answer(const Stack& stack, const Bytes& text) {
  std::vector<Answer> list;
  auto asked = asked_.extract(stack);
  if (asked.empty()) return list;
  for (const std::int64_t question : asked.mapped()) list.push_back({question, text});
  return list;
}

std::vector<Namer::Answer> Namer::answers() {
  std::vector<Answer> list;
  Received got;
  while (!order_.empty() && receive(socket_, got) == Arrival::packet) {
    const Stack stack = std::move(order_.front());
    order_.pop_front();
    if (known_.size() >= known_max) known_.clear();
    known_[stack] = got.packet.text;
    for (Answer& one : answer(stack, got.packet.text)) list.push_back(std::move(one));
    if (waiting_.empty() || !pass_on(waiting_.front())) continue;
    waiting_.pop_front();
  }
  return list;
}

std::vector<Namer::Answer> Namer::on_ended(pid_t pid) {
  if (pid != pid_) return {};
  std::vector<Answer> list = answers();  // what it had said before
  order_.insert(order_.end(), waiting_.begin(), waiting_.end());
  waiting_.clear();
  for (const Stack& stack : order_) {
    for (Answer& one : answer(stack, {})) list.push_back(std::move(one));
  }
  order_.clear();
  forget();
  ++failures_;
  return list;
}

void Namer::rest() {
  if (socket_ >= 0 && order_.empty()) forget();  // it sees that nobody can ask it any more
}

void Namer::forget() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  pid_ = 0;
}

}  // namespace baozi::worker::prefork
