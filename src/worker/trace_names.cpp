#include "worker/trace_names.hpp"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "worker/failure.hpp"
#include "worker/symbols.hpp"

namespace baozi::worker {

namespace {

constexpr char mark = address_mark;
constexpr std::size_t names_bytes_max =
    40'000;  // of all stacks of one failure; they must fit a packet

thread_local bool leaves_addresses = false;
thread_local unsigned long long loads_known = 0;  // to others, too

bool is_runtime(const CodePlace& place) {
  return place.function.starts_with("std::__throw_") || place.function.starts_with("__cxa_");
}
bool is_wrapper(const CodePlace& place) {
  return place.function.find("baozi::detail::Wrapper<") != std::string::npos;
}
/// What stands around a task: the worker, and the way through its middleware.
bool is_worker(const CodePlace& place) {
  return place.function.starts_with("baozi::TaskDefinition::run(") ||
         place.function.starts_with("baozi::worker::") ||
         place.function.starts_with("std::function<");
}

void append_names(std::string& out, std::span<const std::uintptr_t> frames) {
  std::vector<CodePlace> calls;
  for (const std::uintptr_t address : frames) {
    for (CodePlace& place : places_of(address)) calls.push_back(std::move(place));
  }
  // A task's trace ends with the task; that of a hook or a middleware with the first call to it.
  const auto wrapper = std::find_if(calls.begin(), calls.end(), is_wrapper);
  if (wrapper != calls.end() && wrapper != calls.begin()) {
    calls.erase(wrapper, calls.end());
  } else {
    while (calls.size() > 1 && is_worker(calls.back())) calls.pop_back();
  }
  std::size_t first = 0;
  while (first + 1 < calls.size() && is_runtime(calls[first])) ++first;
  calls.erase(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(first));
  for (const CodePlace& place : calls) {
    out += "    at " + (place.function.empty() ? std::string{"unknown"} : place.function);
    if (!place.file.empty()) {
      out += " (" + place.file + ':' + std::to_string(place.line) + ')';
    } else if (!place.module.empty()) {
      out += " (" + place.module + ')';
    }
    out += '\n';
  }
}

bool is_of_address(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ','; }
/// After a mark.
std::string_view addresses_at(std::string_view text) {
  const auto* const end = std::find_if_not(text.begin(), text.end(), &is_of_address);
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

}  // namespace

void leave_addresses(bool on) {
  leaves_addresses = on;
  loads_known = loads_so_far();
}

NamesAtOnce::NamesAtOnce() : before_{std::exchange(leaves_addresses, false)} {}
NamesAtOnce::~NamesAtOnce() { leaves_addresses = before_; }

void append_calls(std::string& traceback, std::span<const std::uintptr_t> frames) {
  if (frames.empty()) return;
  if (!leaves_addresses || loads_so_far() != loads_known) return append_names(traceback, frames);
  traceback += mark;
  for (const std::uintptr_t address : frames) {
    char digits[20];
    traceback.append(digits, std::to_chars(digits, digits + sizeof digits, address, 16).ptr);
    traceback += ',';
  }
  traceback += '\n';
}

Bytes addresses_in(std::string_view traceback) {
  Bytes all;
  for (std::size_t at = traceback.find(mark); at != std::string_view::npos;
       at = traceback.find(mark, at + 1)) {
    all += mark;
    all += addresses_at(traceback.substr(at + 1));
  }
  return all;
}

Bytes names_of(BytesView addresses) {
  Bytes all;
  for (std::size_t at = addresses.find(mark); at != BytesView::npos;
       at = addresses.find(mark, at + 1)) {
    const std::string_view list = addresses_at(addresses.substr(at + 1));
    std::vector<std::uintptr_t> frames;
    for (const char* digit = list.data(); digit != list.data() + list.size();) {
      std::uintptr_t address = 0;
      const auto [end, error] = std::from_chars(digit, list.data() + list.size(), address, 16);
      if (error == std::errc{}) frames.push_back(address);
      digit = std::find(end, list.data() + list.size(), ',');
      if (digit != list.data() + list.size()) ++digit;
    }
    std::string lines;
    if (!frames.empty()) append_names(lines, frames);
    all += mark;
    if (all.size() + lines.size() <= names_bytes_max) all += lines;
  }
  return all;
}

std::string with_names(std::string_view traceback, BytesView names) {
  std::string text;
  while (true) {
    const std::size_t at = traceback.find(mark);
    text += traceback.substr(0, at);
    if (at == std::string_view::npos) return text;
    traceback.remove_prefix(at + 1);
    traceback.remove_prefix(addresses_at(traceback).size());
    if (traceback.starts_with('\n')) traceback.remove_prefix(1);
    if (names.starts_with(mark)) names.remove_prefix(1);
    text += names.substr(0, names.find(mark));
    names.remove_prefix(std::min(names.size(), names.find(mark)));
  }
}

std::vector<Ended> take_unnamed(std::vector<Ended>& list, std::size_t from) {
  std::vector<Ended> taken;
  const auto is_named = [](const Ended& one) {
    return one.verdict == Verdict::success || !may_have_addresses(one.value) ||
           addresses_in(unpack_failure(one.value).traceback).empty();
  };
  std::size_t kept = from;
  for (std::size_t i = from; i < list.size(); ++i) {
    if (!is_named(list[i])) {
      taken.push_back(std::move(list[i]));
    } else {
      if (kept != i) list[kept] = std::move(list[i]);
      ++kept;
    }
  }
  list.resize(kept);
  return taken;
}

}  // namespace baozi::worker
