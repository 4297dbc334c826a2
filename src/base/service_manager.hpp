/// \file service_manager.hpp
/// Tells systemd how far we are, when it started us with a $NOTIFY_SOCKET (sd_notify(3)); else does
/// nothing.
#pragma once
#include <string>
#include <string_view>

namespace baozi::base {

/// Sends "READY=1", "STOPPING=1", "STATUS=…" (several are divided by newlines) to `socket_path`, by
/// default $NOTIFY_SOCKET; a leading '@' means the abstract namespace. Returns whether it was
/// handed over: failure is no reason to fail.
bool notify_service_manager(std::string_view state, const char* socket_path);
bool notify_service_manager(std::string_view state);

}  // namespace baozi::base
