// A stranger on the line: the input is cut into frames, which two connections send to the listening
// side and which a connecting side receives. Neither crashes, and the table keeps its bounds.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "actor/link.hpp"
#include "actor/session_table.hpp"

namespace {

using namespace baozi;

constexpr std::size_t sessions_max = 3;

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace

/// Each step: a byte that says which connection and how much time passes, a byte of length, the
/// frame.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  actor::SessionTable table{{.heartbeats = {1'000'000, 4'000'000}, .sessions_max = sessions_max},
                            1};
  actor::Link link;
  Now now{mono_time(1), wall_time(0)};
  static_cast<void>(link.greet({.name = "w1"}, now));  // its nonce is 1
  actor::SessionTable::Received got;
  std::vector<actor::Session> ended;
  for (std::size_t i = 0; i + 2 <= size;) {
    const std::uint8_t step = data[i];
    const std::size_t length = std::min<std::size_t>(data[i + 1], size - i - 2);
    const BytesView frame{reinterpret_cast<const char*>(data + i + 2), length};
    i += 2 + length;
    now.mono += Micros{(step >> 2U) * 100'000};
    const actor::PeerKey peer{step & 3U};
    table.on_frame(peer, frame, now, got);
    ended.clear();
    switch (got.event) {
      case actor::SessionTable::Event::hello: table.open(peer, got.hello, now, ended); break;
      case actor::SessionTable::Event::answer:
      case actor::SessionTable::Event::ended:
        check(wire::open_frame(got.reply).has_value(), "an answer is a good frame");
        break;
      case actor::SessionTable::Event::message:
        check(got.session != nullptr && got.session->peer == peer,
              "a message is of that connection's session");
        break;
      case actor::SessionTable::Event::nothing: break;
    }
    table.expire(now, ended);
    check(table.size() <= sessions_max, "no more sessions than it may have");
    check(table.remembered() <= 2 * sessions_max, "no more names than it may remember");

    wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
    if (link.on_frame(frame, now, out) == actor::Link::Event::lost)
      static_cast<void>(link.greet({.name = "w1"}, now));
    std::optional<Bytes> ping;
    if (link.tick(now, ping) == actor::Link::Event::lost)
      static_cast<void>(link.greet({.name = "w1"}, now));
    check(!link.is_open() || !link.welcome().name.empty(), "an open link has a welcome");
  }
  return 0;
}
