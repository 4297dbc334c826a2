/// \file assert.hpp
/// BAOZI_ASSERT: for our own bugs only, kept in release builds. What a peer sends is never grounds
/// for one.
#pragma once

namespace baozi::base {
[[noreturn]] void assertion_failed(const char* what, const char* file, int line);
}

#define BAOZI_ASSERT(condition) \
  ((condition) ? void(0) : ::baozi::base::assertion_failed(#condition, __FILE__, __LINE__))
