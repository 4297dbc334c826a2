#include "worker/failure.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <typeinfo>
#include <vector>

#include <cxxabi.h>

#include <baozi/packing.hpp>

#include "wire/codec.hpp"
#include "worker/symbols.hpp"
#include "worker/throw_trace.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker {

std::string utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xC2 && lead < 0xE0 ? 2
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xF0 && lead < 0xF5 ? 4
                                                             : 0;
    bool good = length != 0 && i + length <= text.size();
    for (std::size_t k = 1; good && k < length; ++k) {
      good = (static_cast<unsigned char>(text[i + k]) & 0xC0U) == 0x80;
    }
    if (good && length > 2) {  // overlong forms, surrogates, beyond U+10FFFF
      const auto second = static_cast<unsigned char>(text[i + 1]);
      good = !((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
               (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F));
    }
    if (good) {
      out.append(text.substr(i, length));
      i += length;
    } else {
      out += "\xEF\xBF\xBD";
      ++i;
    }
  }
  return out;
}

namespace {

constexpr std::size_t message_bytes_max = 16'384;
constexpr std::size_t traceback_bytes_max = 32'768;
constexpr int causes_max = 8;

std::string bounded(std::string text, std::size_t most) {
  if (text.size() > most) {
    text.resize(most);
    text += " ... (cut off)";
  }
  return utf8(text);
}

/// libstdc++'s exception_ptr is one pointer, to the exception object: what `__cxa_throw` was given.
const void* object_of(const std::exception_ptr& thrown) {
  static_assert(sizeof(std::exception_ptr) == sizeof(void*));
  const void* object = nullptr;
  std::memcpy(&object, static_cast<const void*>(&thrown), sizeof object);
  return object;
}

struct Description {
  std::string type;
  std::string message;
  std::exception_ptr cause;
};

std::exception_ptr cause_in(const std::exception& error) {
  const auto* const nested = dynamic_cast<const std::nested_exception*>(&error);
  return nested != nullptr ? nested->nested_ptr() : nullptr;
}

/// "std::_Nested_exception<std::runtime_error>" is what `throw_with_nested` makes of a
/// std::runtime_error.
std::string type_name(const std::type_info* type) {
  if (type == nullptr) return "unknown";
  std::string name = demangle(type->name());
  constexpr std::string_view wrapped = "std::_Nested_exception<";
  if (name.starts_with(wrapped) && name.ends_with('>')) {
    name = name.substr(wrapped.size(), name.size() - wrapped.size() - 1);
    while (name.ends_with(' ')) name.pop_back();
  }
  return name;
}

Description describe(const std::exception_ptr& thrown) {
  Description found;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    found.type = type_name(&typeid(error));
    found.cause = cause_in(error);
    try {
      const char* const text = error.what();
      found.message = text != nullptr ? text : "";
    } catch (...) {
      found.message = "(its what() threw)";
    }
  } catch (const std::string& text) {
    found.message = text;
  } catch (const char* text) {
    found.message = text != nullptr ? text : "(null)";
  } catch (const std::nested_exception& nested) {
    found.cause = nested.nested_ptr();
    found.message = "(not a std::exception)";
  } catch (int number) {
    found.message = std::to_string(number);
  } catch (...) {
    found.message = "(not a std::exception)";
  }
  if (found.type.empty()) {
    // __cxa_current_exception_type speaks of the exception that is being handled.
    try {
      std::rethrow_exception(thrown);
    } catch (...) {
      found.type = type_name(abi::__cxa_current_exception_type());
    }
  }
  return found;
}

void append_trace(std::string& out, const Description& description,
                  const std::exception_ptr& thrown) {
  std::string said = description.type + ": " + description.message + '\n';
  std::replace(said.begin(), said.end(), address_mark, '?');  // what a task says is no address
  out += said;
  if (const ThrowTrace* const trace = ThrowTrace::current()) {
    append_calls(out, trace->find(object_of(thrown)));
  }
}

}  // namespace

Bytes Failure::packed() const { return wire::pack_failure(type, message, traceback); }

Failure unpack_failure(BytesView packed) {
  Reader in{packed};
  Failure failure;
  if (in.array() >= 3) {
    failure.type = in.str();
    failure.message = in.str();
    failure.traceback = in.str();
  }
  if (!in.ok() || failure.type.empty()) return {"unknown", "", ""};
  return failure;
}

std::string bounded_traceback(std::string text) {
  return bounded(std::move(text), traceback_bytes_max);
}

Failure failure_of(const std::exception_ptr& thrown, bool traceback) {
  if (thrown == nullptr) return {"unknown", "no exception", ""};
  Description description = describe(thrown);
  Failure failure{utf8(description.type), bounded(description.message, message_bytes_max), ""};
  if (!traceback) return failure;
  append_trace(failure.traceback, description, thrown);
  std::exception_ptr cause = description.cause;
  for (int i = 0; cause != nullptr && i < causes_max; ++i) {
    const Description deeper = describe(cause);
    failure.traceback += "Caused by: ";
    append_trace(failure.traceback, deeper, cause);
    cause = deeper.cause;
  }
  failure.traceback = bounded_traceback(std::move(failure.traceback));
  return failure;
}

}  // namespace baozi::worker
