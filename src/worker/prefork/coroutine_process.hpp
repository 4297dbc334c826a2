/// \file coroutine_process.hpp
/// CoroutineProcess: the coroutine tasks of a pool of processes, all of them in one child beside
/// the slots (coroutine_child.hpp).
///
/// A child that dies loses the coroutine that ran at that moment, and no other: those that waited
/// are handed back to their broker, those that had not begun go to the next child, which is there
/// at once. Where nobody ran, or nobody can be believed, each of those that had begun has lost a
/// delivery. A child that is to be replaced (after so many tasks, too large, a restart) takes no
/// more and ends after its last; meanwhile another one takes them.
///
/// Threading: everything on the loop's thread. It lives beside the pool whose fork server it uses,
/// and is destroyed before that, which then ends the processes.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/coroutine/coroutine_pool.hpp"
#include "worker/prefork/control.hpp"
#include "worker/prefork/server_link.hpp"

namespace baozi::worker {

class CoroutineProcess final : public CoroutinePool, private prefork::ServerLink::User {
 public:
  struct Options {
    bool at_once = true;  ///< the child is started with this; else with the first coroutine
    std::uint64_t tasks_per_child_max = 0;  ///< then it is replaced; 0: never
    /// As CoroutineRunner::Options::patience; so long after its hard limit a coroutine that awaits
    /// nothing has its process killed.
    Micros patience{1'000'000};
  };
  /// Children at the same time; while so many end slowly, the last one is not replaced.
  static constexpr std::size_t children_max = 8;

  /// \param server  outlives this; its first server is up. Throws std::system_error.
  CoroutineProcess(Options options, prefork::ServerLink& server);
  ~CoroutineProcess() override;
  CoroutineProcess(const CoroutineProcess&) = delete;
  CoroutineProcess& operator=(const CoroutineProcess&) = delete;

  std::size_t submit(std::span<const Start> items) override;
  void take_events(PoolEvents& out) override;
  Cancelled cancel(Token token, bool interrupt) override;
  std::vector<Token> stop(StopMode mode) override;
  void restart() override;
  void tick(MonoTime now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;
  [[nodiscard]] std::vector<SlotStatus> status() const override;
  /// The one that takes tasks first.
  [[nodiscard]] std::vector<ProcessStatus> processes() const override;
  [[nodiscard]] std::size_t in_hand() const override { return in_hand_; }
  /// Its child can always be ended.
  [[nodiscard]] bool is_busy() const override { return false; }

 private:
  struct Child;

  void on_server_up(MonoTime now) override;
  void on_packet(const prefork::Packet& packet, MonoTime now) override;
  void on_server_lost(std::uint64_t number, MonoTime now) override;

  void spawn(MonoTime now);
  void retry_later(const std::string& why, MonoTime now);
  /// The one that takes tasks takes no more, and another one is started.
  void retire(MonoTime now);
  void replace_if_spent(MonoTime now);
  void feed(MonoTime now);
  void write_to(Child& child);
  void collect(Child& child, MonoTime now);
  void read_output(Child& child, bool last);
  void distrust(Child& child, const char* why);
  void kill(Child& child);
  void look_for_hogs(MonoTime now);
  void end_by_limit(Child& child, const Start& hog, MonoTime began, MonoTime now);

  /// \param is_known  what ran at that moment is to blame.
  void bury(Child& child, const prefork::Charge& how, bool is_known, MonoTime now);
  void on_exited(Child& child, const prefork::Packet& packet, MonoTime now);
  void end_beside(const Start& start, Verdict verdict, const std::string& why, Micros ran);
  [[nodiscard]] Child* child_numbered(std::uint64_t number) const;
  [[nodiscard]] std::unique_ptr<Child> let_go(const Child& child);
  /// The one that takes tasks, then those that end after their last.
  [[nodiscard]] std::vector<Child*> all() const;

  const Options options_;
  prefork::ServerLink& server_;
  int poll_ = -1;  ///< the sockets and outputs of all children
  std::unique_ptr<Child> child_;
  std::vector<std::unique_ptr<Child>> leaving_;
  std::deque<Start> backlog_;  ///< no child has taken them
  bool needed_;                ///< there is a child, as far as that depends on us
  std::size_t in_hand_ = 0;
  bool accepting_ = true;
  int failures_ = 0;
  std::optional<MonoTime> spawn_at_;
  std::optional<MonoTime> look_at_;  ///< when to look whether one holds up the others

  std::vector<Ended> ended_;
  std::vector<StateUpdate> updates_;
  std::vector<Token> returned_;
  std::vector<std::string> warnings_, notices_;
};

}  // namespace baozi::worker
