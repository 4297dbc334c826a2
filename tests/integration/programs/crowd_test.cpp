// A thousand workers at one broker, each a connection of its own that says HELLO and keeps its
// heartbeat, while tasks are served by one that does the work.
#include <sys/resource.h>

#include "../net/raw_peer.hpp"
#include "actor/link.hpp"
#include "base/random.hpp"
#include "base/system_clock.hpp"
#include "programs.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class Crowd {
 public:
  Crowd(std::uint16_t port, int size) {
    members_.reserve(static_cast<std::size_t>(size));
    for (int i = 0; i < size; ++i) {
      Member& member = members_.emplace_back(Member{.peer = net::RawPeer{port},
                                                    .link = actor::Link{},
                                                    .name = "crowd" + std::to_string(i) + "@test"});
      member.peer.shake_hands();
      wire::Hello hello;
      hello.role = wire::Role::worker;
      hello.name = member.name;
      hello.incarnation = entropy64() >> 1U;
      hello.concurrency = 1;
      say(member, member.link.greet(hello, base::system_now()));
      if (i % 50 == 0) turn();
    }
  }
  /// Reads what came, and sends the heartbeats that are due.
  void turn() {
    const Now now = base::system_now();
    for (Member& member : members_) {
      for (Bytes frame = member.peer.receive(); !frame.empty(); frame = member.peer.receive()) {
        wire::OpenFrame opened{.header = {}, .reader = Reader{{}}, .fields = 0};
        if (member.link.on_frame(frame, now, opened) == actor::Link::Event::lost) ++lost_;
      }
      std::optional<Bytes> ping;
      if (member.link.tick(now, ping) == actor::Link::Event::lost) ++lost_;
      if (ping) say(member, *ping);
    }
  }
  [[nodiscard]] std::size_t welcome() const {
    return static_cast<std::size_t>(
        std::count_if(members_.begin(), members_.end(),
                      [](const Member& member) { return member.link.is_open(); }));
  }
  [[nodiscard]] int lost() const { return lost_; }

 private:
  struct Member {
    net::RawPeer peer;
    actor::Link link;
    std::string name;
  };
  void say(Member& member, const Bytes& frame) {
    if (!member.peer.send(net::RawPeer::part(frame, false))) ++lost_;
  }
  std::vector<Member> members_;
  int lost_ = 0;
};

TEST_F(ProgramsTest, AThousandWorkersAtOnceAreServedAndTasksGoOn) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 1'200)
    GTEST_SKIP() << "this process may open " << limit.rlim_max << " files only, and needs 1200";
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);

  // Heartbeats that a loaded machine keeps too: what is tested is the number, not the speed.
  cluster.start_broker({"--heartbeat", "2s", "--liveness", "30s"});
  cluster.start_collector();
  cluster.start_worker(0);
  Crowd crowd{port_of(cluster.address()), 1'000};
  ASSERT_TRUE(eventually([&] { return crowd.turn(), crowd.welcome() == 1'000; }, 60s))
      << crowd.welcome() << " of 1000";

  App app{AppOptions{.broker = cluster.address()}};
  auto mark = app.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 2'000; ++i) {
    results.push_back(mark.delay(path, i));
    if (i % 100 == 0) crowd.turn();
  }
  ASSERT_TRUE(eventually(
      [&] {
        crowd.turn();
        return std::all_of(results.begin(), results.end(),
                           [](const auto& result) { return result.ready(); });
      },
      60s));
  for (std::size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i].get(1s), static_cast<std::int64_t>(i));

  const Value now = status();
  ASSERT_TRUE(now.is_object());
  int workers = 0;
  for (const Value& peer : now.at("peers").as_array())
    workers += peer.at("role").as_string() == "worker" ? 1 : 0;
  EXPECT_EQ(workers, 1'001);
  EXPECT_EQ(now.at("counters").at("lost_workers").to<int>(), 0);
  EXPECT_EQ(crowd.lost(), 0);
  expect_books(2'000, 2'000);
}

}  // namespace
}  // namespace baozi::test
