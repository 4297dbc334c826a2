#include "worker/prefork/child_output.hpp"

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "worker/exec/supervise.hpp"

namespace baozi::worker::prefork {

namespace {
constexpr std::size_t line_bytes_max = 4'096;
constexpr std::size_t bytes_per_turn = 64UL * 1'024;
}  // namespace

ChildOutput::~ChildOutput() {
  if (fd_ >= 0) close(fd_);
}

int ChildOutput::open() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error{errno, std::generic_category(), "cannot make a pipe"};
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fd_ = ends[0];
  return ends[1];
}

void ChildOutput::read(bool last, std::uint64_t task, const std::string& prefix,
                       std::vector<std::string>& lines) {
  if (fd_ < 0) return;
  char buffer[4'096];
  std::size_t taken = 0;
  const auto tell = [&](std::string_view text) {
    if (logged_ >= exec::logged_bytes_max) return;
    logged_ += text.size() + 1;
    lines.push_back(prefix + std::string{text});
    if (logged_ < exec::logged_bytes_max) return;
    lines.push_back(prefix + "(what its task writes from here on is not logged)");
  };
  while (last || taken < bytes_per_turn) {
    const ssize_t size = ::read(fd_, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      if (size == 0) {  // nobody can write to it any more
        close(fd_);
        fd_ = -1;
      } else if (task != task_) {
        task_ = task;
        logged_ = 0;
      }
      break;
    }
    taken += static_cast<std::size_t>(size);
    line_.append(buffer, static_cast<std::size_t>(size));
    std::size_t from = 0;
    for (std::size_t end = line_.find('\n'); end != std::string::npos;
         end = line_.find('\n', from)) {
      tell(std::string_view{line_}.substr(from, end - from));
      from = end + 1;
    }
    line_.erase(0, from);
    if (line_.size() > line_bytes_max) {
      tell(line_);
      line_.clear();
    }
    if (last && taken > 16 * bytes_per_turn) break;  // a grandchild that never stops
  }
  if (last && !line_.empty()) tell(std::exchange(line_, {}));
}

}  // namespace baozi::worker::prefork
