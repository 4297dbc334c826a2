/// \file messages.hpp
/// What goes through a child's rings, as bytes: a Start one way; ends, and states, the other way.
/// Both ends are the same program, so numbers travel as they lie in memory. The worker trusts
/// nothing that comes back: sizes, enumerations and the packed values in it are checked.
#pragma once
#include <optional>

#include "worker/ended.hpp"
#include "worker/execution.hpp"

namespace baozi::worker::prefork {

/// How many bytes `write_start` writes.
[[nodiscard]] std::size_t start_size(const Start& start);
void write_start(const Start& start, char* to);
/// Views into `bytes`. `definition` stays null: the child looks it up by name.
[[nodiscard]] Start read_start(BytesView bytes);

[[nodiscard]] Bytes pack_ended(const Ended& ended);
/// nullopt: damaged.
[[nodiscard]] std::optional<Ended> unpack_ended(BytesView bytes);

void pack_update(Token token, std::string_view state, BytesView meta, Bytes& out);
/// nullopt: damaged.
[[nodiscard]] std::optional<StateUpdate> unpack_update(BytesView bytes);

}  // namespace baozi::worker::prefork
