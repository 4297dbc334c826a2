/// \file counting_new.hpp
/// How many bytes the test asked operator new for.
#pragma once
#include <cstddef>

namespace baozi::wire_test {
[[nodiscard]] std::size_t allocated_bytes();
}
