#include "wire/types.hpp"

namespace baozi::wire {

const char* to_string(Type type) {
  switch (type) {
    case Type::hello: return "HELLO";
    case Type::welcome: return "WELCOME";
    case Type::ping: return "PING";
    case Type::pong: return "PONG";
    case Type::goodbye: return "GOODBYE";
    case Type::error: return "ERROR";
    case Type::collectors: return "COLLECTORS";
    case Type::submit: return "SUBMIT";
    case Type::submitted: return "SUBMITTED";
    case Type::credit: return "CREDIT";
    case Type::deliver: return "DELIVER";
    case Type::done: return "DONE";
    case Type::done_ok: return "DONE_OK";
    case Type::nack: return "NACK";
    case Type::queues: return "QUEUES";
    case Type::tasks: return "TASKS";
    case Type::result: return "RESULT";
    case Type::stored: return "STORED";
    case Type::watch: return "WATCH";
    case Type::state: return "STATE";
    case Type::fetch: return "FETCH";
    case Type::fetched: return "FETCHED";
    case Type::forget: return "FORGET";
    case Type::control: return "CONTROL";
    case Type::reply: return "REPLY";
    case Type::revoke: return "REVOKE";
    case Type::events: return "EVENTS";
    case Type::events_ok: return "EVENTS_OK";
    case Type::follow: return "FOLLOW";
    case Type::followed: return "FOLLOWED";
  }
  return "UNKNOWN";
}

const char* to_string(Role role) {
  switch (role) {
    case Role::producer: return "producer";
    case Role::worker: return "worker";
    case Role::collector: return "collector";
    case Role::admin: return "admin";
    case Role::beat: return "beat";
    case Role::bridge: return "bridge";
    case Role::broker: return "broker";
  }
  return "unknown";
}

const char* to_string(EventType type) {
  switch (type) {
    case EventType::task_sent: return "task-sent";
    case EventType::task_received: return "task-received";
    case EventType::task_started: return "task-started";
    case EventType::task_succeeded: return "task-succeeded";
    case EventType::task_failed: return "task-failed";
    case EventType::task_rejected: return "task-rejected";
    case EventType::task_revoked: return "task-revoked";
    case EventType::task_retried: return "task-retried";
    case EventType::worker_online: return "worker-online";
    case EventType::worker_heartbeat: return "worker-heartbeat";
    case EventType::worker_offline: return "worker-offline";
    case EventType::broker_online: return "broker-online";
    case EventType::broker_heartbeat: return "broker-heartbeat";
    case EventType::broker_offline: return "broker-offline";
    case EventType::events_lost: return "events-lost";
  }
  return "event";
}

const char* to_string(TaskState state) {
  switch (state) {
    case TaskState::pending: return "PENDING";
    case TaskState::received: return "RECEIVED";
    case TaskState::started: return "STARTED";
    case TaskState::retry: return "RETRY";
    case TaskState::success: return "SUCCESS";
    case TaskState::failure: return "FAILURE";
    case TaskState::revoked: return "REVOKED";
    case TaskState::ignored: return "IGNORED";
  }
  return "UNKNOWN";
}

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::malformed: return "malformed";
    case ErrorCode::unknown_version: return "unknown_version";
    case ErrorCode::unknown_type: return "unknown_type";
    case ErrorCode::no_session: return "no_session";
    case ErrorCode::gap: return "gap";
    case ErrorCode::not_allowed: return "not_allowed";
    case ErrorCode::too_large: return "too_large";
    case ErrorCode::overloaded: return "overloaded";
    case ErrorCode::draining: return "draining";
    case ErrorCode::bad_request: return "bad_request";
  }
  return "unknown";
}

const char* to_string(Reason reason) {
  switch (reason) {
    case Reason::none: return "none";
    case Reason::queue_full: return "queue_full";
    case Reason::no_space: return "no_space";
    case Reason::too_large: return "too_large";
    case Reason::bad_task: return "bad_task";
    case Reason::draining: return "draining";
    case Reason::memory: return "memory";
    case Reason::duplicate: return "duplicate";
    case Reason::too_late: return "too_late";
  }
  return "unknown";
}

}  // namespace baozi::wire
