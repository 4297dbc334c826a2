// The public face: baozi::App and what hands tasks in for it.
#include <stdexcept>
#include <utility>

#include "baozi/client.hpp"
#include "client/engine.hpp"
#include "client/event_reader.hpp"
#include "client/requests.hpp"

namespace baozi {

namespace detail {

CallHandle Submitter::submit(std::string_view name, std::string_view body,
                             const CallOptions* options) const {
  return client::Engine::submit(engine_, {name, body, options});
}

std::vector<CallHandle> Submitter::submit_many(const std::vector<Item>& items) const {
  std::vector<CallHandle> handles;
  handles.reserve(items.size());
  for (const Item& item : items) handles.push_back(client::Engine::submit(engine_, item));
  return handles;
}

namespace {
thread_local std::string thread_buffer;
thread_local bool thread_buffer_used = false;
}  // namespace

BodyBuffer::BodyBuffer() : bytes_{&own_} {
  if (thread_buffer_used) return;
  thread_buffer_used = true;
  thread_buffer.clear();
  bytes_ = &thread_buffer;
}

BodyBuffer::~BodyBuffer() {
  if (bytes_ == &own_) return;
  thread_buffer_used = false;
  constexpr std::size_t keep = std::size_t{64} << 10U;
  if (thread_buffer.capacity() > keep) thread_buffer = {};
}

}  // namespace detail

namespace {
std::vector<TaskId> ids_of(const std::vector<std::string>& texts) {
  std::vector<TaskId> ids;
  ids.reserve(texts.size());
  for (const std::string& text : texts) {
    if (!wire::is_valid_name(text)) throw std::invalid_argument{"'" + text + "' is no task id"};
    ids.push_back(TaskId::from_text(text));
  }
  return ids;
}
}  // namespace

App::App(AppOptions options) : engine_{std::make_shared<client::Engine>(std::move(options))} {}
App::App(App&&) noexcept = default;
App& App::operator=(App&& other) noexcept {
  if (this != &other) {
    if (engine_) engine_->close();
    engine_ = std::move(other.engine_);
  }
  return *this;
}
App::~App() {
  if (engine_) engine_->close();
}

void App::check_name(std::string_view name) {
  if (!wire::is_valid_name(name)) {
    throw std::invalid_argument{"a task's name is 1 to 255 bytes without control characters"};
  }
}

EventStream App::events(const EventOptions& options) {
  return EventStream{std::make_unique<client::EventReader>(engine_, options)};
}

AsyncResult<Value> App::apply(std::string_view name, const Value::Array& args,
                              const Value::Object& kwargs, const CallOptions& options) {
  detail::BodyBuffer body;
  Writer out{body.bytes()};
  out.array(2);
  out.array(args.size());
  for (const Value& value : args) pack_into(out, value);
  out.map(kwargs.size());
  for (const auto& [key, value] : kwargs) {
    out.str(key);
    pack_into(out, value);
  }
  return AsyncResult<Value>{submitter().submit(name, body.bytes(), &options)};
}

detail::CallHandle App::foreign(std::string_view id) {
  return client::Engine::foreign(engine_, ids_of({std::string{id}}).front());
}

std::size_t App::forget(const std::vector<std::string>& ids) {
  return client::forget(*engine_, ids_of(ids));
}

std::vector<Revocation> App::revoke(const std::vector<std::string>& ids, bool terminate,
                                    std::string_view signal) {
  return client::revoke(*engine_, ids_of(ids), terminate, signal);
}

WorkerReplies App::ask_workers(std::string_view command, const Value& arguments,
                               const std::vector<std::string>& destination,
                               std::chrono::microseconds timeout) {
  return client::ask_workers(*engine_, command, arguments, destination, timeout);
}

NodeReplies App::control(std::string_view command, const Value& arguments) {
  return client::control(*engine_, client::Asked::brokers, command, arguments);
}

NodeReplies App::control_collectors(std::string_view command, const Value& arguments) {
  return client::control(*engine_, client::Asked::collectors, command, arguments);
}

bool App::flush_within(detail::Span timeout) { return engine_->flush(timeout); }

void App::close() { engine_->close(); }

}  // namespace baozi
