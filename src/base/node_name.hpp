/// \file node_name.hpp
/// The name of a node, "name@host", and the short forms that stand for its parts, as Celery has
/// them. Pure: the host's name is given.
#pragma once
#include <string>
#include <string_view>

namespace baozi::base {

/// For -n/--name: %h is the host's full name, %n its first part, %d the rest, %% a percent sign. A
/// name without '@' gets "@%h". "w1@%h" on cook.example.com is "w1@cook.example.com".
[[nodiscard]] std::string expand_node_name(std::string_view pattern, std::string_view host);

/// For --logfile and --pidfile: %p is the node's full name, %n the part before '@', %h the part
/// behind it, %d the domain; %i is 0 and %I nothing, as this is no process of a pool. %% is a
/// percent sign.
[[nodiscard]] std::string expand_file_name(std::string_view pattern, std::string_view node_name);

/// What the system calls this machine; never empty.
[[nodiscard]] std::string host_name();

}  // namespace baozi::base
