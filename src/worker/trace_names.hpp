/// \file trace_names.hpp
/// The stack of an exception as lines of a traceback, with names; or as addresses, for somebody
/// else to name. Names need debug information, which takes long to read the first time and much
/// memory (symbols.hpp): a process that is soon replaced, or whose tasks wait for each other,
/// leaves addresses, one line for each stack, and `Namer` has the names.
///
/// A line of addresses begins with a character that texts hardly have; where a task's message has
/// it, the worst is a line of nonsense. Threading: any thread; `leave_addresses` is of its own.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "worker/ended.hpp"

namespace baozi::worker {

/// From now on this thread's tracebacks have addresses, as long as the process loads no other files
/// (nobody else has them at the same places); or names again.
void leave_addresses(bool on);
/// While it lives: names. For those who read a traceback where it was made.
class NamesAtOnce {
 public:
  NamesAtOnce();
  ~NamesAtOnce();
  NamesAtOnce(const NamesAtOnce&) = delete;
  NamesAtOnce& operator=(const NamesAtOnce&) = delete;

 private:
  bool before_;
};

/// The calls that led to a throw, innermost first, without the C++ runtime's at the top and the
/// worker's at the bottom.
void append_calls(std::string& traceback, std::span<const std::uintptr_t> frames);

/// Stands before the addresses of a stack.
inline constexpr char address_mark = '\x01';
/// A first look, into a packed failure, too.
[[nodiscard]] inline bool may_have_addresses(BytesView text) {
  return text.find(address_mark) != BytesView::npos;
}
/// What is to be named in a traceback; empty: nothing.
[[nodiscard]] Bytes addresses_in(std::string_view traceback);
/// Their names, where the same code is in memory at the same places.
[[nodiscard]] Bytes names_of(BytesView addresses);
/// \param names  as `names_of` answers; empty: nobody knows, and the stacks are left out.
[[nodiscard]] std::string with_names(std::string_view traceback, BytesView names);

/// Takes out those from `from` on whose stack is addresses still.
[[nodiscard]] std::vector<Ended> take_unnamed(std::vector<Ended>& list, std::size_t from);

}  // namespace baozi::worker
