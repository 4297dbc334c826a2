/// \file beat_node.hpp
/// The beat's shell: runs the core on an App, a source of entries and the machine's clocks. It
/// decides nothing. Threading: everything happens on the thread that calls `run`; the App and the
/// source have threads of their own and talk to it by message.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "baozi/client.hpp"
#include "base/node_main.hpp"
#include "beat/beat_config.hpp"
#include "beat/beat_core.hpp"
#include "beat/schedule_source.hpp"
#include "net/loop.hpp"

namespace baozi::beat {

class BeatNode {
 public:
  /// Reads the schedule's file and opens its store.
  /// \throws base::ConfigError  one line: an address, a zone, or the file with line and column
  BeatNode(BeatConfig config, const std::string& name);
  ~BeatNode();

  /// Obeys the program's signals and says when it serves. Without it somebody else calls
  /// `ask_to_…`.
  void obey(base::NodeContext& program);
  /// Until it was asked to stop. \return the exit code.
  int run();
  /// From any thread: send nothing more, wait a moment for what is in flight, return from `run`.
  void ask_to_drain();
  /// From any thread: return from `run`.
  void ask_to_stop();

 private:
  void take(ScheduleSource::News&& news);
  void perform(Now now);
  void send(const BeatEffects::Submit& submit, Now now);
  void answered(EntryHandle entry, const Uuid& id, const AsyncResult<Value>& result);
  void watch(EntryHandle entry, const AsyncResult<Value>& result);
  void not_sent(EntryHandle entry, const Uuid& id, const std::string& why, Now now);
  void drain();

  BeatConfig config_;
  net::Loop loop_;
  BeatCore core_;
  BeatEffects effects_;
  std::unique_ptr<ScheduleSource> source_;
  std::optional<App> app_;
  base::NodeContext* program_ = nullptr;
  bool draining_ = false;
  bool stopping_ = false;
  bool is_told_of_broker_ = false;  // that none takes tasks
  MonoTime drain_until_{};
};

/// `baozi-beat`, from its options to its exit code.
int serve(const BeatConfig& config, base::NodeContext& program);

}  // namespace baozi::beat
