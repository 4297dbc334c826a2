#include <baozi/version.hpp>

namespace baozi {

const char* library_version() { return version_text; }

}  // namespace baozi
