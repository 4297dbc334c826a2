/// \file version.hpp
/// The version of the library. Semantic versioning; the wire has its own number, see docs/protocol.md.
#pragma once

namespace baozi {

inline constexpr const char* version_text = "0.1.0";

}  // namespace baozi
