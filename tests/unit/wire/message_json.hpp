/// \file message_json.hpp
/// What a message means, as the JSON that tests/vectors/ uses: field names of docs/protocol.md,
/// binary as hex, null for what is absent. Two messages are the same when their JSON is.
#pragma once
#include <nlohmann/json.hpp>

#include "wire/codec.hpp"

namespace baozi::wire_test {

using Json = nlohmann::json;

/// Any msgpack value; binary becomes {"bin": hex}.
[[nodiscard]] Json value_json(BytesView packed);

[[nodiscard]] Json to_json(const wire::Hello& m);
[[nodiscard]] Json to_json(const wire::Welcome& m);
[[nodiscard]] Json to_json(const wire::Ping& m);
[[nodiscard]] Json to_json(const wire::Pong& m);
[[nodiscard]] Json to_json(const wire::Goodbye& m);
[[nodiscard]] Json to_json(const wire::ErrorMessage& m);
[[nodiscard]] Json to_json(const wire::Collectors& m);
[[nodiscard]] Json to_json(const wire::Submit& m);
[[nodiscard]] Json to_json(const wire::Submitted& m);
[[nodiscard]] Json to_json(const wire::Credit& m);
[[nodiscard]] Json to_json(const wire::Deliver& m);
[[nodiscard]] Json to_json(const wire::Done& m);
[[nodiscard]] Json to_json(const wire::DoneOk& m);
[[nodiscard]] Json to_json(const wire::Nack& m);
[[nodiscard]] Json to_json(const wire::Queues& m);
[[nodiscard]] Json to_json(const wire::Tasks& m);
[[nodiscard]] Json to_json(const wire::ResultMessage& m);
[[nodiscard]] Json to_json(const wire::Stored& m);
[[nodiscard]] Json to_json(const wire::Watch& m);
[[nodiscard]] Json to_json(const wire::StateMessage& m);
[[nodiscard]] Json to_json(const wire::Fetch& m);
[[nodiscard]] Json to_json(const wire::Fetched& m);
[[nodiscard]] Json to_json(const wire::Forget& m);
[[nodiscard]] Json to_json(const wire::Control& m);
[[nodiscard]] Json to_json(const wire::Reply& m);
[[nodiscard]] Json to_json(const wire::Revoke& m);
[[nodiscard]] Json to_json(const wire::Events& m);
[[nodiscard]] Json to_json(const wire::EventsOk& m);
[[nodiscard]] Json to_json(const wire::Follow& m);
[[nodiscard]] Json to_json(const wire::Followed& m);

}  // namespace baozi::wire_test
