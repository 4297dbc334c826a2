#include "worker/exec/supervise.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include <poll.h>
#include <unistd.h>

#include "base/system_clock.hpp"

namespace baozi::worker::exec {

namespace {

constexpr int look_every_ms = 50;
constexpr std::size_t chunk_bytes = std::size_t{64} << 10U;

/// stderr, cut into lines for the log; its end is kept.
class ErrorLines {
 public:
  ErrorLines(ProgramEnd& end, const Supervision& wishes) : end_{end}, wishes_{wishes} {}

  void take(std::string_view bytes) {
    end_.tail.append(bytes);
    if (end_.tail.size() > 2 * tail_bytes_max) trim();
    while (!bytes.empty()) {
      const std::size_t line_end = bytes.find('\n');
      const std::string_view piece = bytes.substr(0, line_end);
      const std::size_t room = line_bytes_max - std::min(line_bytes_max, line_.size());
      cut_ += piece.size() - std::min(room, piece.size());
      line_.append(piece.substr(0, room));
      if (line_end == std::string_view::npos) return;
      say_line();
      bytes.remove_prefix(line_end + 1);
    }
  }
  void finish() {
    if (!line_.empty()) say_line();
    trim();
  }

 private:
  void trim() {
    if (end_.tail.size() > tail_bytes_max) end_.tail.erase(0, end_.tail.size() - tail_bytes_max);
  }
  void say_line() {
    if (cut_ > 0) line_ += " ... (" + std::to_string(cut_) + " bytes more)";
    if (logged_ < logged_bytes_max) {
      logged_ += line_.size() + 1;
      wishes_.log(line_);
      if (logged_ >= logged_bytes_max) wishes_.log("(what it writes from here on is not logged)");
    }
    line_.clear();
    cut_ = 0;
  }

  ProgramEnd& end_;
  const Supervision& wishes_;
  std::string line_;
  std::size_t cut_ = 0;
  std::size_t logged_ = 0;
};

class Watch {
 public:
  Watch(Program& program, const Supervision& wishes)
      : program_{program}, wishes_{wishes}, lines_{end_, wishes}, began_{base::mono_now()} {}

  ProgramEnd run() {
    bool out_open = program_.out() >= 0;
    bool err_open = true;
    bool ended = false;
    while (!ended) {
      look();
      // A negative descriptor is passed over.
      std::array<pollfd, 3> polled{pollfd{out_open ? program_.out() : -1, POLLIN, 0},
                                   pollfd{err_open ? program_.err() : -1, POLLIN, 0},
                                   pollfd{program_.end(), POLLIN, 0}};
      if (poll(polled.data(), polled.size(), wait_ms()) < 0 && errno != EINTR) {
        throw std::system_error{errno, std::generic_category(), "poll"};
      }
      if (polled[0].revents != 0) out_open = read_output();
      if (polled[1].revents != 0) err_open = read_errors();
      ended = polled[2].revents != 0;
    }
    // Whoever could write has ended: what is in the pipes is all there is.
    while (out_open && read_output() && !drained_) {
    }
    drained_ = false;
    while (err_open && read_errors() && !drained_) {
    }
    end_.report = program_.read_end();
    lines_.finish();
    return std::move(end_);
  }

 private:
  /// False at its end. Sets `drained_` when there is nothing now.
  template <class Take>
  bool read_some(int fd, Take take) {
    std::array<char, chunk_bytes> buffer;
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size > 0) take(std::string_view{buffer.data(), static_cast<std::size_t>(size)});
    drained_ = size < 0 && errno == EAGAIN;
    return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
  }
  bool read_output() {
    return read_some(program_.out(), [this](std::string_view bytes) {
      const std::size_t room = wishes_.output_bytes_max - end_.output.size();
      end_.output.append(bytes.substr(0, room));
      if (bytes.size() > room && !end_.too_large) {
        end_.too_large = true;
        program_.kill();
      }
    });
  }
  bool read_errors() {
    return read_some(program_.err(), [this](std::string_view bytes) { lines_.take(bytes); });
  }

  /// Whether it is time for it to end.
  void look() {
    const MonoTime now = base::mono_now();
    if (!end_.revoked && wishes_.revoked()) {
      end_.revoked = true;
      program_.ask_to_end();
      kill_at_ = now + revoke_patience;
    }
    if (kill_at_ && now >= *kill_at_) {
      kill_at_.reset();
      program_.kill();
    }
    if (wishes_.time_limit > Micros{0} && !end_.over_hard_limit &&
        now >= began_ + wishes_.time_limit) {
      end_.over_hard_limit = true;
      program_.kill();
    }
    if (wishes_.soft_limit_struck()) {
      end_.over_soft_limit = true;
      program_.ask_to_end();
    }
  }
  [[nodiscard]] int wait_ms() const {
    if (wishes_.time_limit <= Micros{0} || end_.over_hard_limit) return look_every_ms;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(began_ + wishes_.time_limit -
                                                                   base::mono_now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, look_every_ms));
  }

  Program& program_;
  const Supervision& wishes_;
  ProgramEnd end_;
  ErrorLines lines_;
  const MonoTime began_;
  std::optional<MonoTime> kill_at_;
  bool drained_ = false;
};

}  // namespace

ProgramEnd supervise(Program& program, const Supervision& wishes) {
  return Watch{program, wishes}.run();
}

}  // namespace baozi::worker::exec
