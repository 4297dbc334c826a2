/// \file failure.hpp
/// Exceptions as the three texts that travel: type, message, traceback.
#pragma once
#include <exception>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace baozi::worker {

struct Failure {
  std::string type;  ///< "std::out_of_range"
  std::string
      message;  ///< what() of a std::exception, the text or number that was thrown, or a remark
  std::string traceback;  ///< the throw site's stack, innermost first, and those of nested causes

  /// `[type, message, traceback]`
  [[nodiscard]] Bytes packed() const;
};

/// \param traceback  false leaves it empty and looks nothing up.
[[nodiscard]] Failure failure_of(const std::exception_ptr& thrown, bool traceback);
/// Inside a catch block.
[[nodiscard]] inline Failure current_failure(bool traceback) {
  return failure_of(std::current_exception(), traceback);
}

/// "unknown" where it is none.
[[nodiscard]] Failure unpack_failure(BytesView packed);
/// As long as a traceback may be.
[[nodiscard]] std::string bounded_traceback(std::string text);

/// Text travels as UTF-8; what is none becomes the replacement character.
[[nodiscard]] std::string utf8(std::string_view text);

}  // namespace baozi::worker
