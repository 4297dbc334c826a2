#include "worker/prefork/crash_text.hpp"

#include <algorithm>
#include <string_view>

#include "worker/symbols.hpp"

namespace baozi::worker::prefork {

namespace {

constexpr std::size_t lines_max = 48;

/// What stands between the crash and its handler, or between a fault of the program's own making
/// and the kernel.
bool is_runtime(const CodePlace& place) {
  static constexpr std::string_view known[] = {
      "on_fatal_signal", "on_terminate", "__restore_rt", "raise",
      "gsignal",         "abort",        "pthread_kill", "__cxxabiv1::",
      "std::terminate",  "__cxa_",       "_Unwind_",     "__gxx_personality"};
  return std::any_of(std::begin(known), std::end(known), [&](std::string_view name) {
    return place.function.find(name) != std::string::npos;
  });
}
bool is_wrapper(const CodePlace& place) {
  return place.function.find("baozi::detail::Wrapper<") != std::string::npos ||
         place.function.find("baozi::worker::") != std::string::npos ||
         place.file.ends_with("baozi/detail/task_function.hpp");  // what was inlined into it
}

std::string line_of(const CodePlace& place) {
  std::string line = "    at " + (place.function.empty() ? std::string{"unknown"} : place.function);
  if (!place.file.empty()) {
    line += " (" + place.file + ':' + std::to_string(place.line) + ')';
  } else if (!place.module.empty()) {
    line += " (" + place.module + ')';
  }
  return line + '\n';
}

}  // namespace

std::string crash_text(const std::vector<std::uint64_t>& frames) {
  std::vector<CodePlace> calls;
  for (const std::uint64_t address : frames) {
    for (CodePlace& place : places_of(address)) calls.push_back(std::move(place));
  }
  // The handler, and the frame that the kernel made for it; then whatever the C library put there.
  std::size_t first = std::min<std::size_t>(2, calls.size());
  while (first < calls.size() && (is_runtime(calls[first]) || calls[first].function.empty())) {
    ++first;
  }
  if (first == calls.size()) first = std::min<std::size_t>(2, calls.size());
  auto last =
      std::find_if(calls.begin() + static_cast<std::ptrdiff_t>(first), calls.end(), is_wrapper);
  if (last == calls.begin() + static_cast<std::ptrdiff_t>(first)) last = calls.end();
  std::string text;
  std::size_t lines = 0;
  for (auto call = calls.begin() + static_cast<std::ptrdiff_t>(first); call != last;) {
    if (++lines > lines_max) break;
    const std::string line = line_of(*call);
    text += line;
    std::size_t more = 0;  // as in a recursion that overflowed the stack
    while (++call != last && line_of(*call) == line) ++more;
    if (more > 0) text += "       and " + std::to_string(more) + " more of this\n";
  }
  return text;
}

}  // namespace baozi::worker::prefork
