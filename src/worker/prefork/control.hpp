/// \file control.hpp
/// What the worker and its fork server say to each other: one message is one packet of a
/// SOCK_SEQPACKET pair, and brings descriptors where it needs to. Threading: each end has one
/// owner.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace baozi::worker::prefork {

enum class Order : std::uint32_t {
  // To the server.
  begin,   ///< text: what to load, and for whom (packed); no descriptors
  spawn,   ///< slot, child; descriptors: memory, eventfd, output. value: 0, or `coroutine_child`
  kill,    ///< child, value: the signal, for its whole process group
  names,   ///< value: a number of the question; text: 8 bytes for each address
  traces,  ///< value: a number of the question; text: as `names_of` is asked (trace_names.hpp)
  // From the server.
  tasks,    ///< text: the next part of the description of what it has loaded
  ready,    ///< value: 1 when every child is a new program, since loading started threads
  refused,  ///< text: why the tasks could not be loaded
  spawned,  ///< child, pid
  failed,   ///< child; text: why there is no such process
  exited,   ///< child, pid, value: the wait status, usage
  named,    ///< value: as asked; text: the stack, or the stacks as `names_of` answers
};

/// Of `spawn`: a child for coroutine tasks, beside the slots; a socket instead of the eventfd.
constexpr std::int64_t coroutine_child = 1;

/// Of a process that has ended.
struct Usage {
  std::int64_t cpu_us = 0;
  std::int64_t peak_bytes = 0;
};

struct Packet {
  Order order{};
  std::uint32_t slot = 0;
  std::uint64_t child = 0;  ///< a number for each process that was ever asked for
  std::int64_t pid = 0;
  std::int64_t value = 0;
  Usage usage{};
  Bytes text{};
};

constexpr std::size_t packet_text_max = 48UL * 1'024;

/// False: the other end is gone. Longer texts are cut off.
bool send(int socket, const Packet& packet, const std::vector<int>& descriptors = {});

struct Received {
  Packet packet;
  std::vector<int> descriptors;  ///< the caller's to close
};
enum class Arrival : std::uint8_t { packet, nothing, gone };
/// Never waits on a socket that does not block.
[[nodiscard]] Arrival receive(int socket, Received& out);

}  // namespace baozi::worker::prefork
