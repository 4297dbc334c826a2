#include "base/node_main.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include <sys/resource.h>
#include <unistd.h>

#include "base/node_name.hpp"
#include "base/pid_file.hpp"
#include "base/service_manager.hpp"

namespace baozi::base {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

struct Failure {
  int exit_code;
  std::string line;  ///< with its newline
};

/// To be called while an exception is handled.
Failure describe_current_exception(const std::string& program) {
  try {
    throw;
  } catch (const ConfigError& error) {
    return {exit_usage,
            program + ": " + log::one_line(error.what()) + " (see " + program + " --help)\n"};
  } catch (const std::exception& error) {
    return {exit_failed, program + ": " + log::one_line(error.what()) + '\n'};
  } catch (...) {
    return {exit_failed, program + ": failed with an exception of unknown type\n"};
  }
}

/// Each peer is a descriptor, and libzmq spins when there are none left; the soft limit is often
/// 1,024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int run_in_foreground_or_background(const Program& program, const NodeOptions& options,
                                    ReadyPipe& pipe, const std::function<int(NodeContext&)>& work) {
  const std::string name = expand_node_name(options.name, host_name());
  const std::string logfile =
      options.logfile.empty() && options.detach ? "%n.log" : options.logfile;
  bool log_is_elsewhere = false;
  try {
    // The pid file comes first: a second node must not write into the log of the one that runs.
    std::optional<PidFile> pid_file;
    if (!options.pidfile.empty()) pid_file.emplace(expand_file_name(options.pidfile, name));
    log::open({options.loglevel, expand_file_name(logfile, name), name, options.detach});
    log_is_elsewhere = !logfile.empty();
    Signals signals;
    raise_descriptor_limit();
    NodeContext context{name, signals, pipe};
    const int code = work(context);
    if (pipe.waiting())
      pipe.failed(code == 0 ? exit_failed : code, program.name + ": ended before it was ready\n");
    return code;
  } catch (...) {
    const Failure failure = describe_current_exception(program.name);
    if (log_is_elsewhere) {
      log::critical("{}", std::string_view{failure.line}.substr(0, failure.line.size() - 1));
    }
    if (pipe.waiting()) {
      pipe.failed(failure.exit_code, failure.line);
    } else if (!options.detach) {
      std::fputs(failure.line.c_str(), stderr);
    }
    return failure.exit_code;
  }
}

}  // namespace

void NodeOptions::declare(OptionTable& table) {
  using log::Level;
  const std::string group = "Common options";
  table
      .add("loglevel", loglevel,
           "least severe events to log: debug, info, warning, error or critical")
      .short_name('l')
      .word("LEVEL")
      .group(group)
      .choices({{"debug", Level::debug},
                {"info", Level::info},
                {"warning", Level::warning},
                {"error", Level::error},
                {"critical", Level::critical}});
  table
      .add("logfile", logfile,
           "log to this file, not to stderr; %n is the node's name, %h its host")
      .short_name('f')
      .word("FILE")
      .group(group);
  table.add("pidfile", pidfile, "write the process id to this file; a live one's file is refused")
      .word("FILE")
      .group(group);
  table
      .add("detach", detach,
           "run in the background; returns when the node serves, or with its error")
      .group(group);
  table
      .add("name", name, "the node's name; %h is the host's name, %n its first part, %d its domain")
      .short_name('n')
      .word("NAME")
      .group(group)
      .check([](const std::string& given) {
        constexpr std::size_t name_max = 128;  // with a host's name behind it, below the wire's 255
        const bool plain = std::all_of(given.begin(), given.end(), [](char c) {
          return static_cast<unsigned char>(c) > 0x20 && c != 0x7F;
        });
        return !given.empty() && given[0] != '@' && given.size() <= name_max && plain
                   ? std::string{}
                   : "'" + given + "' is no name: 1 to 128 bytes, no blanks, not only a host";
      });
}

void NodeContext::ready() {
  ready_pipe_.ready();
  notify_service_manager("READY=1\nMAINPID=" + std::to_string(::getpid()));
}

void NodeContext::stopping() { notify_service_manager("STOPPING=1"); }

int run_guarded(const std::string& program, const std::function<int()>& work) {
  try {
    return work();
  } catch (...) {
    const Failure failure = describe_current_exception(program);
    std::fputs(failure.line.c_str(), stderr);
    return failure.exit_code;
  }
}

int run_node(const Program& program, int argc, const char* const* argv,
             const std::function<void(OptionTable&)>& declare,
             const std::function<int(NodeContext&)>& work) {
  return run_guarded(program.name, [&] {
    NodeOptions options;
    options.name = program.default_name;
    OptionTable table{program.name, program.summary};
    declare(table);
    options.declare(table);
    switch (table.parse(argc, argv, process_environment())) {
      case Parsed::help: print(table.help_text()); return EXIT_SUCCESS;
      case Parsed::version: print(table.version_line() + '\n'); return EXIT_SUCCESS;
      case Parsed::run: break;
    }
    ReadyPipe pipe = options.detach ? detach() : ReadyPipe{};
    return run_in_foreground_or_background(program, options, pipe, work);
  });
}

}  // namespace baozi::base
