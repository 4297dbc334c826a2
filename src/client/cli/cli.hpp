/// \file cli.hpp
/// The `baozi` command: one sub-command a function. Human output is aligned text on stdout; --json
/// prints one JSON value. Errors are one line on stderr. Exit codes: 0, 1 (it failed), 2 (usage).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <baozi/client.hpp>

#include "base/config.hpp"
#include "beat/schedule/entry.hpp"
#include "client/cli/screen.hpp"

namespace baozi::cli {

/// Reads a file of periodic tasks: beat::read_schedule_file. Handed in, because this room does not
/// know beat's.
using ReadSchedule = Result<std::vector<beat::Entry>> (*)(const std::string& path,
                                                          const beat::Zone& zone);

/// \param open_screen  opens the terminal for `baozi top`; nullptr: there is none.
/// \param read_schedule  for `baozi schedule import`; nullptr: there is none.
int run(int argc, const char* const* argv, OpenScreen open_screen = nullptr,
        ReadSchedule read_schedule = nullptr);

/// What all sub-commands share.
struct Common {
  std::vector<std::string> brokers;  ///< empty: BAOZI_BROKER, else tcp://127.0.0.1:7170
  Micros timeout{5'000'000};
  bool json = false;

  void declare(base::OptionTable& table);
  [[nodiscard]] App app() const;
};

using Words = std::vector<std::string>;
int call(const Words& words);
int result(const Words& words);
int forget(const Words& words);
int revoke(const Words& words);
int status(const Words& words);
int queues(const Words& words);
int purge(const Words& words);
int dead(const Words& words);
int events(const Words& words);
int top(const Words& words, OpenScreen open_screen);
int bench(const Words& words);
int inspect(const Words& words);
int control(const Words& words);
int schedule(const Words& words, ReadSchedule read_file);

/// Reads the words into the table's variables. True when the command is to run; otherwise help or
/// version was printed.
[[nodiscard]] bool read(base::OptionTable& table, const Words& words,
                        const base::Environment& environment = base::process_environment());
/// Asks every broker, or every collector; one line on stderr for each that is silent or refuses.
struct Asked {
  std::vector<NodeReply> replies;
  bool complete = true;
};
enum class Whom { brokers, collectors };
[[nodiscard]] Asked ask(App& app, const Common& common, std::string_view command,
                        const Value& arguments = Value::object(), Whom whom = Whom::brokers);
[[nodiscard]] Asked ask(const Common& common, std::string_view command,
                        const Value& arguments = Value::object());
/// Prints objects as an aligned table; columns in the order in which they first appear.
void print_table(const Value::Array& rows, const std::vector<std::string>& columns);
[[nodiscard]] std::string to_text(const Value& value);
/// "15 s", "3 h 12 min", "6 d 1 h".
[[nodiscard]] std::string age_text(std::uint64_t us);

}  // namespace baozi::cli
