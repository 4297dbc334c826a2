/// \file bytes.hpp
/// Owned bytes and views of bytes. A view is valid only as long as the buffer that it points into:
/// a decoder's views live as long as the frame that was decoded.
#pragma once
#include <string>
#include <string_view>

namespace baozi {

using Bytes = std::string;
using BytesView = std::string_view;

/// "0a1b…", lower case.
[[nodiscard]] std::string to_hex(BytesView bytes);

}  // namespace baozi
