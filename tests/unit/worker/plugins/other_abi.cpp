// What a plug-in built against another baozi looks like: BAOZI_OTHER says in which respect.
#include <baozi/worker.hpp>

namespace {
constexpr baozi::PluginDescriptor other() {
  baozi::PluginDescriptor descriptor = baozi::make_plugin_descriptor(nullptr);
#if BAOZI_OTHER == 1
  descriptor.abi = 999;
#elif BAOZI_OTHER == 2
  descriptor.cxx_abi ^= 1U << 16U;
#else
  descriptor.sizes[2] += 8;
#endif
  return descriptor;
}
}  // namespace

extern "C" {
extern const baozi::PluginDescriptor baozi_plugin;
const baozi::PluginDescriptor baozi_plugin = other();
}
