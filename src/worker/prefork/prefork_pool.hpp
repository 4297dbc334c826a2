/// \file prefork_pool.hpp
/// PreforkPool: tasks in processes, so that one that crashes, hangs or leaks costs itself only.
///
/// Each slot has a child, forked by the fork server (server.hpp), and shares memory with it
/// (segment.hpp). Items wait here until a child has room; short ones travel in batches, long ones
/// one at a time, and what waits behind one that turned out long is taken back for a child that is
/// idle. A child that dies loses the task that it was in; what waited behind it goes to others, and
/// its slot is refilled at once.
///
/// The fork server may be replaced while the pool works, by one that has loaded the libraries anew
/// (prefork_servers.cpp): children come from the new one as soon as it is up, and the old one ends
/// with the last of its own.
///
/// Threading: everything happens on the loop's thread; there are no others. The loop polls `fd()`.
/// The destructor ends all children at once, whatever they do.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "worker/pool.hpp"
#include "worker/prefork/child_link.hpp"
#include "worker/prefork/control.hpp"
#include "worker/prefork/server_link.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {

class PreforkPool final : public Pool, public prefork::ServerLink {
 public:
  struct Options {
    std::size_t children = 1;
    std::string worker_name{};
    std::vector<std::string>
        apps{};  ///< the libraries that children load; there are no other tasks
    std::string program = "/proc/self/exe";  ///< whose main calls prefork::run_if_asked
    std::uint64_t tasks_per_child_max = 0;   ///< then it is replaced; 0: never
    std::uint64_t child_bytes_max = 0;       ///< a larger one is replaced after its task; 0: never
    std::size_t backlog_max = 4096;          ///< items that may wait here
    Micros load_patience{120'000'000};
  };

  /// Starts the fork server and waits until it has loaded the libraries; the children follow.
  /// Throws PluginError, std::system_error.
  explicit PreforkPool(Options options);
  ~PreforkPool() override;

  std::size_t submit(std::span<const Start> items) override;
  void take_events(PoolEvents& out) override;
  Cancelled cancel(Token token, bool interrupt) override;
  [[nodiscard]] std::size_t capacity() const override { return slots_.size(); }
  [[nodiscard]] std::size_t in_hand() const override { return in_hand_; }
  std::vector<Token> stop(StopMode mode) override;
  std::size_t resize(std::size_t slots) override;
  void restart() override;
  std::string reload() override;
  void abandon_reload() override;
  [[nodiscard]] std::shared_ptr<const TaskTable> tasks() const override { return tasks_; }
  [[nodiscard]] std::vector<SlotStatus> status() const override;
  Terminated terminate(Token token, int signal) override;
  void tick(MonoTime now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;
  /// Its children can always be ended.
  [[nodiscard]] bool is_busy() const override { return false; }
  [[nodiscard]] int fd() const override { return poll_; }

  /// Of the server that children come from; -1 while there is none.
  [[nodiscard]] pid_t server_pid() const;

  // ---- for children beside the slots
  void report_to(User& user, int poll_set) override;
  [[nodiscard]] std::optional<std::uint64_t> spawn(int memory, int socket, int output) override;
  void kill(std::uint64_t child, int signal) override;
  void lose(std::uint64_t child, const Start& start, const prefork::Charge& how, Micros ran,
            MonoTime now) override;
  void finish(std::uint64_t child, Ended ended, MonoTime now) override;

 private:
  struct Server;
  struct Child;
  struct Slot;
  using Charge = prefork::Charge;

  // slots and processes
  void spawn(Slot& slot, MonoTime now);
  void spawn_what_is_due(MonoTime now);
  void retry_later(Slot& slot, const std::string& why, MonoTime now);
  void let_go(Child& child);
  void on_exited(Child& child, int status, const prefork::Usage& usage, MonoTime now);
  void bury(Child& child, const Charge& charge, MonoTime now);
  void kill(Child& child, int signal);
  void distrust(Child& child, const char* why);
  void look_for_stuck(MonoTime now);
  [[nodiscard]] Child* child_numbered(std::uint64_t number);
  void drop(Child& child);

  // ---- prefork_servers.cpp
  [[nodiscard]] std::unique_ptr<Server> start_server(MonoTime now);
  [[nodiscard]] Server* server_numbered(std::uint64_t number);
  void on_server_packet(Server& server, const prefork::Packet& packet, MonoTime now);
  void server_loaded(Server& server, bool anew, MonoTime now);
  /// It loaded nothing that could be used.
  void server_failed(Server& server, const std::string& why, MonoTime now);
  void server_gone(Server& server, MonoTime now);
  void start_server_later(const std::string& why, MonoTime now);
  void take_tasks(std::shared_ptr<const TaskTable> tasks, Bytes description);
  void change_servers();
  void look_after_servers(MonoTime now);
  [[nodiscard]] bool is_needed(const Server& server) const;

  // items
  void feed(MonoTime now);
  void collect(Child& child);
  void rebalance(MonoTime now);
  void check_limits(MonoTime now);
  void charge(const Child& child, const prefork::ChildLink::Item& item, const Charge& charge,
              MonoTime now);
  void end_lost(Server& asked, const Start& start, const Charge& charge, Micros ran, MonoTime now);
  /// Once its stack has its names. \param asked  may be null: they are left out.
  void finish(Server* asked, Ended ended, MonoTime now);
  void complete(Ended ended);

  // what arrives
  void serve(MonoTime now);
  void on_packet(Server& server, const prefork::Packet& packet, MonoTime now);
  void read_output(Child& child, bool last);

  const Options options_;
  std::unique_ptr<Server> server_;               ///< children come from it once it is up
  std::unique_ptr<Server> coming_;               ///< loads the libraries anew
  std::vector<std::unique_ptr<Server>> former_;  ///< each stays as long as one of its children
  std::uint64_t next_server_ = 1;
  std::shared_ptr<const TaskTable> tasks_;
  Bytes description_;  ///< of them
  bool tasks_changed_ = false;
  std::optional<std::string> reloaded_;
  int poll_ = -1;    ///< all of the descriptors below
  int events_ = -1;  ///< the children ring it
  bool accepting_ = true;
  std::size_t in_hand_ = 0;
  std::uint64_t next_child_ = 1;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::unique_ptr<Child>> leaving_;  ///< without a slot: they end after their task
  std::map<std::uint64_t, Child*> children_;
  std::deque<Start> backlog_;
  std::vector<Child*> takers_;  ///< of `feed`, kept for its memory
  double average_us_ = 1'000;
  MonoTime look_at_{};
  std::optional<MonoTime> check_limits_at_;
  std::optional<MonoTime> rebalance_at_;
  std::optional<MonoTime> server_again_at_;
  int server_failures_ = 0;
  User* beside_ = nullptr;
  std::map<std::uint64_t, Server*> children_beside_;  ///< its children, and where they came from

  struct Unnamed {
    std::uint64_t server = 0;  ///< that was asked
    Ended ended;
    std::string type, message;
    MonoTime until{};
    std::string traceback{};  ///< of an exception: what the names are to be put into
    Bytes addresses{};        ///< in it

    /// \param names  empty: nobody knows
    [[nodiscard]] Ended named(const Bytes& names) &&;
  };
  std::map<std::int64_t, Unnamed> unnamed_;  ///< ends that wait for the names of their stack
  std::int64_t next_question_ = 1;
  /// Of stacks of exceptions, by the server that they came from.
  std::map<std::pair<std::uint64_t, Bytes>, Bytes> names_;

  std::vector<Ended> ended_;
  std::vector<StateUpdate> updates_;
  std::vector<std::string> warnings_, notices_;
};

}  // namespace baozi::worker
