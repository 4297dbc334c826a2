#include "process.hpp"

#include <algorithm>

#include "network.hpp"

namespace baozi::sim {

namespace {

constexpr std::size_t inputs_per_turn_max = 64;
constexpr std::uint64_t idle_wakes_per_second_max = 5'000;

}  // namespace

Process::Process(World& world, Network& network, std::string name, std::string endpoint)
    : world_{world}, network_{network}, name_{std::move(name)}, endpoint_{std::move(endpoint)} {
  index_ = network.add(*this);
}

Now Process::now() const {
  const std::int64_t t = world_.time.now();
  // Steady clocks of different machines have nothing to do with each other.
  const auto uptime = static_cast<std::int64_t>(1'000'000'000 + 7'777'777 * index_);
  return {mono_time(uptime + t), wall_time(1'700'000'000'000'000 + t + wall_offset_.count())};
}

std::int64_t Process::awake() const {
  return awake_before_ + (up_ && !paused_ ? world_.time.now() - awake_since_ : 0);
}

void Process::start() {
  if (up_) return;
  if (world_.logging) world_.say(name_, "*** starts");
  up_ = true;
  ending_ = false;
  ++starts_;
  awake_since_ = world_.time.now();
  boot(now());
  schedule_wake(world_.time.now());
}

void Process::stop_running() {
  awake_before_ = awake();
  up_ = paused_ = false;
  inbox_.clear();
  put_off_.clear();
  wake_at_ = -1;
}

void Process::crash(std::string_view why) {
  if (!up_) return;
  if (world_.logging) world_.say(name_, "*** dies: " + std::string{why});
  stop_running();
  halt();
  network_.on_process_ended(*this);
}

void Process::end() { ending_ = true; }

void Process::pause() {
  if (!up_ || paused_) return;
  if (world_.logging) world_.say(name_, "*** is stopped");
  awake_before_ = awake();
  stopped_since_ = world_.time.now();
  paused_ = true;
}

void Process::resume() {
  if (!up_ || !paused_) return;
  if (world_.logging) world_.say(name_, "*** goes on");
  paused_ = false;
  awake_since_ = world_.time.now();
  awake_before_ += std::min(world_.time.now() - stopped_since_, counted_stop_.count());
  // Its threads go on before its loop notices anything: what came due happens first.
  auto due = std::exchange(put_off_, {});
  for (auto& action : due) later(world_.chance.between(Micros{0}, Micros{300}), std::move(action));
  wake_at_ = -1;
  schedule_wake(world_.time.now() + world_.chance.between(0, 400));
}

void Process::post(Input input) {
  if (!up_) return;
  inbox_.push_back(std::move(input));
  if (!paused_) schedule_wake(world_.time.now() + world_.chance.between(5, 60));
}

void Process::later(Micros delay, std::function<void()> action) {
  world_.time.after(delay, [this, start = starts_, action = std::move(action)]() mutable {
    if (!up_ || starts_ != start) return;
    if (paused_) {
      put_off_.push_back(std::move(action));
    } else {
      action();
    }
  });
}

void Process::schedule_wake(std::int64_t at) {
  if (wake_at_ >= 0 && wake_at_ <= at) return;
  wake_at_ = at;
  world_.time.at(at, [this, at, start = starts_] {
    if (up_ && !paused_ && starts_ == start && wake_at_ == at) wake();
  });
}

void Process::wake() {
  wake_at_ = -1;
  const std::int64_t second = world_.time.now() / 1'000'000;
  if (second != spin_second_) {
    spin_second_ = second;
    spins_ = 0;
  }
  if (inbox_.empty() && ++spins_ > idle_wakes_per_second_max)
    world_.violation(name_ + "'s loop spins");
  const Now time = now();
  for (std::size_t n = std::min(inbox_.size(), inputs_per_turn_max); n > 0; --n) {
    Input input = std::move(inbox_.front());
    inbox_.pop_front();
    input(time);
    if (!up_) return;
  }
  turn(time);
  if (!up_) return;
  if (ending_) {
    if (world_.logging) world_.say(name_, "*** has drained and ends");
    stop_running();
    halt();
    network_.on_process_ended(*this);
    return;
  }
  if (!inbox_.empty()) return schedule_wake(world_.time.now() + world_.chance.between(5, 60));
  if (const auto deadline = next_deadline()) {
    // Poll timeouts are whole milliseconds, rounded up.
    const std::int64_t wait = std::max<std::int64_t>((*deadline - time.mono).count(), 0);
    schedule_wake(world_.time.now() + std::max<std::int64_t>((wait + 999) / 1000 * 1000, 100));
  }
}

void Process::perform(actor::NetEffects& net) {
  // In the order of actor::LinkSockets.
  for (auto& [peer, frame] : net.to_peers) network_.send(*this, peer, std::move(frame));
  for (const actor::LinkId link : net.reset_links) network_.reset(*this, link);
  for (const actor::LinkId link : net.close_links) network_.close(*this, link);
  for (auto& [link, endpoint] : net.open_links) network_.open(*this, link, endpoint);
  for (auto& [link, frame] : net.to_links) network_.send(*this, link, std::move(frame));
  net.clear();
}

}  // namespace baozi::sim
