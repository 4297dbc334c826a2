#include "base/result.hpp"

namespace baozi {

const char* to_string(Errc code) {
  switch (code) {
    case Errc::malformed: return "malformed";
    case Errc::unknown_version: return "unknown_version";
    case Errc::unknown_type: return "unknown_type";
    case Errc::too_large: return "too_large";
    case Errc::store_corrupt: return "store_corrupt";
    case Errc::store_newer: return "store_newer";
    case Errc::store_locked: return "store_locked";
    case Errc::store_read_only: return "store_read_only";
    case Errc::store_full: return "store_full";
    case Errc::store_failed: return "store_failed";
    case Errc::not_found: return "not_found";
    case Errc::invalid: return "invalid";
  }
  return "unknown";
}

}  // namespace baozi
