/// \file error.hpp
/// What an operator must act on: an endpoint that cannot be listened on, a setting that is not
/// possible.
#pragma once
#include <stdexcept>

namespace baozi::net {

/// Thrown only while sockets are set up. The text is one line that names the endpoint and the
/// reason.
class NetError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace baozi::net
