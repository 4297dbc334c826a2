/// \file leftovers.hpp
/// What outlives a fork server that was killed: the kernel ends its children with it, but not what
/// their tasks have started, and nobody adopts that who knows of it. Each server is therefore
/// started with a mark in its environment, which whatever descends from it inherits. Threading: the
/// owner of the server.
#pragma once
#include <string>

namespace baozi::worker::prefork {

/// "BAOZI_FORK_SERVER=4711-5f3a…", another one for each server.
[[nodiscard]] std::string make_mark();

/// SIGKILL for every process of this machine that was started with the mark, until there is none.
/// Not found is one that was started with an environment of its own.
void end_marked(const std::string& mark);

}  // namespace baozi::worker::prefork
