/// \file plugin.hpp
/// Room: worker.
/// BAOZI_TASKS: what a shared library of tasks exports, and how a worker knows that it may call it.
/// The library exports one constant, `baozi_plugin`. The worker reads it before it calls anything:
/// the magic word, the ABI number, the C++ ABI flags and the sizes of what is passed must be its
/// own.
#pragma once
#include <cstdint>

#include "baozi/registry.hpp"

namespace baozi {

/// Raised whenever a struct, a virtual function or a meaning that plug-ins and worker share
/// changes.
inline constexpr std::uint32_t plugin_abi = 4;

/// Plain data, the same in every version as far as `abi`, so that an old or new one can be told and
/// named.
struct PluginDescriptor {
  char magic[8];           ///< "baozi-so"
  std::uint32_t bytes;     ///< of this struct
  std::uint32_t abi;       ///< plugin_abi
  std::uint32_t cxx_abi;   ///< see plugin_cxx_abi()
  std::uint32_t sizes[4];  ///< Registry, TaskDefinition, CallFacts, TaskReply
  const char* compiler;
  /// Fills the registry. Returns false, with the reason in `error`, instead of throwing.
  bool (*fill)(Registry& registry, std::string& error) noexcept;
};

/// What must agree for std::string and exceptions to be passed: the standard library's string ABI
/// and the compiler's C++ ABI generation.
constexpr std::uint32_t plugin_cxx_abi() {
#if defined(_GLIBCXX_USE_CXX11_ABI)
  constexpr std::uint32_t string_abi = _GLIBCXX_USE_CXX11_ABI;
#else
  constexpr std::uint32_t string_abi = 2;  // another standard library
#endif
  return (string_abi << 16U) | sizeof(std::string);
}

/// The running exception as one line. Inside a catch block.
void describe_registration_failure(std::string& error) noexcept;

template <void (*fill)(Registry&)>
bool fill_registry(Registry& registry, std::string& error) noexcept {
  try {
    fill(registry);
    return true;
  } catch (...) {
    describe_registration_failure(error);
    return false;
  }
}

constexpr PluginDescriptor make_plugin_descriptor(bool (*fill)(Registry&, std::string&) noexcept) {
  return {{'b', 'a', 'o', 'z', 'i', '-', 's', 'o'},
          sizeof(PluginDescriptor),
          plugin_abi,
          plugin_cxx_abi(),
          {sizeof(Registry), sizeof(TaskDefinition), sizeof(CallFacts), sizeof(TaskReply)},
          __VERSION__,
          fill};
}

}  // namespace baozi

/// Once per shared library:
///     BAOZI_TASKS(registry) {
///       registry.task("c.add", add, {"a", "b"});
///     }
// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a parameter's name
#define BAOZI_TASKS(registry)                                                                 \
  static void baozi_register_tasks(::baozi::Registry&);                                       \
  extern "C" {                                                                                \
  __attribute__((visibility("default"))) extern const ::baozi::PluginDescriptor baozi_plugin; \
  const ::baozi::PluginDescriptor baozi_plugin =                                              \
      ::baozi::make_plugin_descriptor(&::baozi::fill_registry<&baozi_register_tasks>);        \
  }                                                                                           \
  static void baozi_register_tasks([[maybe_unused]] ::baozi::Registry& registry)
// NOLINTEND(bugprone-macro-parentheses)
