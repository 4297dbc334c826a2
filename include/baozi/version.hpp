/// \file version.hpp
/// The version of the library. Semantic versioning; the wire has its own number, see
/// docs/protocol.md.
#pragma once

namespace baozi {

/// Of the headers that were compiled against.
inline constexpr const char* version_text = "0.1.0";

/// Of the library that was linked. Another text than `version_text` means that two installations
/// are mixed.
[[nodiscard]] const char* library_version();

}  // namespace baozi
