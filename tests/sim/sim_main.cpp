// Runs the simulation for many seeds, or one seed with its event log. See scripts/sim --help.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "simulation.hpp"

namespace {

using namespace baozi;

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t seeds = 0;
  bool single = false;
  unsigned jobs = 2;
  bool quiet_log = false;
  bool keep_going = false;
  bool expect_violation = false;
  bool keys = false;
  bool events = false;
  bool operated = false;
  bool once = false;
  bool beat = false;
  bool networked = false;
  std::string without;
};

constexpr const char* usage =
    "usage: sim --seed S [--keys] [--events] [--operator] [--once] [--beat] [--network] "
    "[--without RULE] [--no-log]\n"
    "       sim --seeds N [--first S] [--jobs J] [--keys] [--events] [--operator] [--once] "
    "[--beat] [--network] "
    "[--without RULE [--expect-violation]] [--keep-going]\n"
    "\n"
    "Runs the production cores under a virtual clock, network and disk, with seeded faults, and "
    "checks the\n"
    "promises of docs/delivery.md at every step. Exit code 0: all seeds hold; 1: a violation, with "
    "the command\n"
    "that replays it; 2: usage.\n"
    "  --seed S            one seed, with its event log (--no-log: only the outcome)\n"
    "  --seeds N           N seeds from --first on (default 1), in J processes (default 2)\n"
    "  --keep-going        after a violation too\n"
    "  --events            everybody tells events of everything, and somebody follows them\n"
    "  --operator          somebody pauses, purges, resumes, retries dead letters; some tasks "
    "require labels\n"
    "  --once              two processes submit the same ids again and again; clocks are stepped\n"
    "  --beat              two beats with the same entries, which forget what they did not write\n"
    "  --network           two or three brokers that know each other, follow-ups whose home is "
    "another one,\n"
    "                      and limits that count over all of them\n"
    "  --without RULE      leaves a rule out: D1 D4 D5 D9 D11 D12 D13 D14 D15 D16 D18 D21 D25, "
    "and\n"
    "                      with --keys D27-unique D27-order D27-durable, with --operator D19-purge "
    "D24,\n"
    "                      with --once D26-mark D26-clock, with --network D27-outbox "
    "D27-outbox-id D27-limits\n"
    "  --keys              half of the tasks have unique, ordering or concurrency keys\n"
    "  --expect-violation  exit 0 as soon as a seed fails, 1 when none does\n";

bool leave_out(Rules& rules, const std::string& name) {
  if (name == "D1") return rules.d1_sessions = false, true;
  if (name == "D4") return rules.d4_sequence = false, true;
  if (name == "D5") return rules.d5_whole_batches = false, true;
  if (name == "D9") return rules.d9_confirm_after_commit = false, true;
  if (name == "D11") return rules.d11_done_answered = false, true;
  if (name == "D12") return rules.d12_sequence_of_cancelled = false, true;
  if (name == "D13") return rules.d13_numbers_never_repeat = false, true;
  if (name == "D14") return rules.d14_hold_after_restart = false, true;
  if (name == "D15") return rules.d15_positions = false, true;
  if (name == "D16") return rules.d16_count_when_made = false, true;
  if (name == "D18") return rules.d18_winner_decides = false, true;
  if (name == "D21") return rules.d21_home_once = false, true;
  if (name == "D19-purge") return rules.d19_purge_in_force = false, true;
  if (name == "D24") return rules.d24_generation = false, true;
  if (name == "D25") return rules.d25_hard_limits = false, true;
  if (name == "D26-mark") return rules.d26_mark_in_transaction = false, true;
  if (name == "D26-clock") return rules.d26_clock_goes_forward = false, true;
  if (name == "D27-unique") return rules.d27_key_until_end = false, true;
  if (name == "D27-order") return rules.d27_head_blocks = false, true;
  if (name == "D27-durable") return rules.d27_holder_durable = false, true;
  if (name == "D27-outbox") return rules.d27_outbox_durable = false, true;
  if (name == "D27-outbox-id") return rules.d27_outbox_id_stays = false, true;
  if (name == "D27-limits") return rules.d27_limits_at_home = false, true;
  return false;
}

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
    const auto number = [&](auto& into) {
      if (value == nullptr) return false;
      char* end = nullptr;
      into = static_cast<std::remove_reference_t<decltype(into)>>(std::strtoull(value, &end, 10));
      ++i;
      return *value != '\0' && *end == '\0';
    };
    bool good = true;
    if (word == "--seed") {
      out.single = true;
      good = number(out.first);
    } else if (word == "--seeds") {
      good = number(out.seeds);
    } else if (word == "--first") {
      good = number(out.first);
    } else if (word == "--jobs") {
      good = number(out.jobs) && out.jobs > 0 && out.jobs < 256;
    } else if (word == "--without" && value != nullptr) {
      out.without = value;
      ++i;
    } else if (word == "--events") {
      out.events = true;
    } else if (word == "--operator") {
      out.operated = true;
    } else if (word == "--once") {
      out.once = true;
    } else if (word == "--beat") {
      out.beat = true;
    } else if (word == "--network") {
      out.networked = true;
    } else if (word == "--no-log") {
      out.quiet_log = true;
    } else if (word == "--keys") {
      out.keys = true;
    } else if (word == "--keep-going") {
      out.keep_going = true;
    } else if (word == "--expect-violation") {
      out.expect_violation = true;
    } else {
      good = false;
    }
    if (!good) return false;
  }
  return out.single || out.seeds > 0;
}

std::string replay_command(std::uint64_t seed, const Arguments& arguments) {
  return "scripts/sim --seed " + std::to_string(seed) + (arguments.keys ? " --keys" : "") +
         (arguments.events ? " --events" : "") + (arguments.operated ? " --operator" : "") +
         (arguments.once ? " --once" : "") + (arguments.beat ? " --beat" : "") +
         (arguments.networked ? " --network" : "") +
         (arguments.without.empty() ? "" : " --without " + arguments.without);
}

// For crashes inside a core: the seed must not be lost with the process.
char crash_note[256];
extern "C" void on_crash(int signal) {
  const ssize_t ignored = write(STDERR_FILENO, crash_note, std::strlen(crash_note));
  static_cast<void>(ignored);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}
void note_seed(std::uint64_t seed, const Arguments& arguments) {
  std::snprintf(crash_note, sizeof crash_note, "seed %llu crashes; replay: %s\n",
                static_cast<unsigned long long>(seed), replay_command(seed, arguments).c_str());
}

/// \return true when the seed holds.
bool run_seed(std::uint64_t seed, const Arguments& arguments, const Rules& rules, bool logging,
              sim::Outcome& outcome) {
  note_seed(seed, arguments);
  sim::Profile profile = sim::draw_profile(seed, arguments.keys, arguments.operated, arguments.once,
                                           arguments.beat, arguments.networked);
  profile.events = arguments.events;
  sim::Simulation simulation{seed, profile, rules, logging};
  outcome = simulation.run();
  if (!outcome.good) {
    std::printf("seed %llu: %s\nreplay: %s\n", static_cast<unsigned long long>(seed),
                outcome.violation.c_str(), replay_command(seed, arguments).c_str());
    std::fflush(stdout);
  }
  return outcome.good;
}

int run_single(const Arguments& arguments, const Rules& rules) {
  std::printf(
      "seed %llu: %s\n", static_cast<unsigned long long>(arguments.first),
      sim::profile_text(sim::draw_profile(arguments.first, arguments.keys, arguments.operated,
                                          arguments.once, arguments.beat, arguments.networked))
          .c_str());
  sim::Outcome outcome;
  const bool good = run_seed(arguments.first, arguments, rules, !arguments.quiet_log, outcome);
  std::printf(
      "%s: %llu tasks, %llu executions, %llu frames, %llu faults, %.1f virtual seconds, hash "
      "%016llx\n",
      good ? "all promises held" : "violated", static_cast<unsigned long long>(outcome.tasks),
      static_cast<unsigned long long>(outcome.executions),
      static_cast<unsigned long long>(outcome.frames),
      static_cast<unsigned long long>(outcome.faults),
      static_cast<double>(outcome.virtual_us) / 1e6, static_cast<unsigned long long>(outcome.hash));
  return good ? 0 : 1;
}

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t bad = 0;
  std::uint64_t tasks = 0;
  std::uint64_t executions = 0;
  std::uint64_t frames = 0;
  std::uint64_t faults = 0;
  double virtual_seconds = 0;
};

Totals run_share(const Arguments& arguments, const Rules& rules, unsigned job, unsigned jobs) {
  Totals totals;
  for (std::uint64_t i = job; i < arguments.seeds; i += jobs) {
    sim::Outcome outcome;
    const bool good = run_seed(arguments.first + i, arguments, rules, false, outcome);
    ++totals.seeds;
    totals.tasks += outcome.tasks;
    totals.executions += outcome.executions;
    totals.frames += outcome.frames;
    totals.faults += outcome.faults;
    totals.virtual_seconds += static_cast<double>(outcome.virtual_us) / 1e6;
    if (good) continue;
    ++totals.bad;
    if (!arguments.keep_going) break;
  }
  return totals;
}

int run_many(const Arguments& arguments, const Rules& rules) {
  struct Child {
    pid_t pid;
    int pipe;
  };
  std::vector<Child> children;
  for (unsigned job = 0; job < arguments.jobs; ++job) {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    std::fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[0]);
      const Totals totals = run_share(arguments, rules, job, arguments.jobs);
      const bool told =
          write(ends[1], &totals, sizeof totals) == static_cast<ssize_t>(sizeof totals);
      std::_Exit(told && totals.bad == 0 ? 0 : 1);
    }
    close(ends[1]);
    children.push_back({pid, ends[0]});
  }
  Totals sum;
  bool good = true;
  for (const Child& child : children) {
    Totals totals;
    const bool told =
        read(child.pipe, &totals, sizeof totals) == static_cast<ssize_t>(sizeof totals);
    close(child.pipe);
    int status = 0;
    waitpid(child.pid, &status, 0);
    good = good && told && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!told) continue;
    sum.seeds += totals.seeds;
    sum.bad += totals.bad;
    sum.tasks += totals.tasks;
    sum.executions += totals.executions;
    sum.frames += totals.frames;
    sum.faults += totals.faults;
    sum.virtual_seconds += totals.virtual_seconds;
  }
  std::printf(
      "%llu seeds, %llu violated: %llu tasks, %llu executions, %llu frames, %llu faults, %.0f "
      "virtual seconds\n",
      static_cast<unsigned long long>(sum.seeds), static_cast<unsigned long long>(sum.bad),
      static_cast<unsigned long long>(sum.tasks), static_cast<unsigned long long>(sum.executions),
      static_cast<unsigned long long>(sum.frames), static_cast<unsigned long long>(sum.faults),
      sum.virtual_seconds);
  if (arguments.expect_violation) {
    if (good) std::printf("not caught: no seed fails without %s\n", arguments.without.c_str());
    return good ? 1 : 0;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0)) {
    std::fputs(usage, stdout);
    return 0;
  }
  Arguments arguments;
  Rules rules;
  if (!parse(argc, argv, arguments) ||
      (!arguments.without.empty() && !leave_out(rules, arguments.without))) {
    std::fputs(usage, stderr);
    return 2;
  }
  std::signal(SIGABRT, on_crash);
  std::signal(SIGSEGV, on_crash);
  std::signal(SIGFPE, on_crash);
  std::signal(SIGBUS, on_crash);
  return arguments.single ? run_single(arguments, rules) : run_many(arguments, rules);
}
