#include "base/random.hpp"

#include <random>

namespace baozi {

std::uint64_t entropy64() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

}  // namespace baozi
