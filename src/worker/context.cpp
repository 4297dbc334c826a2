#include "baozi/context.hpp"

#include <algorithm>

#include "base/ids.hpp"

namespace baozi {

namespace {

/// The first (positional) and the second (named) element of a body.
std::pair<std::string_view, std::string_view> split_body(std::string_view body) {
  Reader in{body};
  if (in.array() < 2) in.fail("no arguments");
  const std::string_view args = in.skip();
  const std::string_view kwargs = in.skip();
  return {args, kwargs};
}

}  // namespace

std::string WireId::text() const {
  return uuid && bytes.size() == 16 ? to_string(Uuid::from_bytes(bytes)) : std::string{bytes};
}

std::string_view Context::args() const { return split_body(facts_->body).first; }
std::string_view Context::kwargs() const { return split_body(facts_->body).second; }

Value::Object Context::headers() const {
  if (facts_->headers.empty()) return {};
  return unpack<Value>(facts_->headers, "headers").as_object();
}

Value Context::header(std::string_view name) const {
  Value::Object all = headers();
  const auto found = all.find(name);
  return found == all.end() ? Value{} : std::move(found->second);
}

void Context::progress(double share) {
  host_->update_state("PROGRESS", pack(Value::object({{"progress", std::clamp(share, 0.0, 1.0)}})));
}

void Context::retry(RetryOptions options) const {
  throw Retry{options.countdown, options.eta, std::move(options.reason), options.max_retries,
              std::current_exception()};
}

}  // namespace baozi
