// baozi top in a real terminal: tmux holds one, sends keys to it, and says what stands on it.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

/// A terminal of its own, in a tmux server of its own that ends with it.
class Terminal {
 public:
  Terminal(const std::string& socket, int width, int height) : socket_{socket} {
    tmux({"new-session", "-d", "-x", std::to_string(width), "-y", std::to_string(height), "-s", "t",
          "env PS1=ready: LC_ALL=C.UTF-8 /bin/sh"});
  }
  ~Terminal() { tmux({"kill-server"}); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  std::string tmux(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {BAOZI_TMUX, "-f", "/dev/null", "-S", socket_});
    Process process{arguments};
    process.wait();
    return process.out() + process.err();
  }
  void type(const std::string& line) const {
    tmux({"send-keys", "-t", "t", "-l", line}), tmux({"send-keys", "-t", "t", "Enter"});
  }
  void key(const std::string& key) const { tmux({"send-keys", "-t", "t", key}); }
  void resize(int width, int height) const {
    tmux({"resize-window", "-t", "t", "-x", std::to_string(width), "-y", std::to_string(height)});
  }
  [[nodiscard]] std::string screen() const { return tmux({"capture-pane", "-p", "-t", "t"}); }
  [[nodiscard]] bool shows(const std::string& text) const {
    return eventually([&] { return screen().find(text) != std::string::npos; }, 30s);
  }
  [[nodiscard]] bool no_longer_shows(const std::string& text) const {
    return eventually([&] { return screen().find(text) == std::string::npos; }, 30s);
  }

 private:
  std::string socket_;
};

class TopTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs() << (terminal ? terminal->screen() : "");
  }
  void start() {
    cluster.start_broker();
    cluster.start_collector();
    cluster.start_worker(0, 2, {"-E", "--event-heartbeat", "300ms"});
  }
  Terminal& open(int width = 110, int height = 40) {
    return terminal.emplace(cluster.folder() / "tmux", width, height);
  }
  [[nodiscard]] std::string top(const std::string& more = "") const {
    return std::string{BAOZI_BINARY_DIR} + "/bin/baozi top --interval 200ms --broker " +
           cluster.address() + " " + more;
  }
  App app() const { return App{AppOptions{.broker = cluster.address()}}; }

  Cluster cluster;
  std::optional<Terminal> terminal;
};

TEST_F(TopTest, ItShowsWhatGoesOnAndQuitsOnQ) {
  start();
  Terminal& screen = open();
  screen.type(top());
  ASSERT_TRUE(screen.shows("WORKERS"));
  EXPECT_TRUE(screen.shows("w0"));
  EXPECT_TRUE(screen.shows("online"));
  App client = app();
  EXPECT_THROW(client.send<std::int64_t>("t.fail", "out of flour").get(30s), TaskError);
  EXPECT_TRUE(screen.shows("std::runtime_error: out of flour"));
  const auto slow =
      client.send<std::int64_t>("t.mark_slowly", cluster.folder() / "marks", 1, 3'000);
  EXPECT_TRUE(screen.shows("RUNNING"));
  EXPECT_TRUE(screen.shows("t.mark_slowly " + slow.id().substr(0, 8)));
  slow.wait(30s);
  EXPECT_TRUE(screen.no_longer_shows("RUNNING"));
  EXPECT_TRUE(screen.shows("default"));
  screen.key("q");
  EXPECT_TRUE(screen.no_longer_shows("WORKERS"));
  screen.type("echo code $?");
  EXPECT_TRUE(screen.shows("code 0"));
}

TEST_F(TopTest, KeysSortAndPause) {
  start();
  Terminal& screen = open();
  screen.type(top());
  ASSERT_TRUE(screen.shows("sort busiest"));
  screen.key("s");
  EXPECT_TRUE(screen.shows("sort name"));
  screen.key("s");
  EXPECT_TRUE(screen.shows("sort newest"));
  ASSERT_TRUE(screen.shows("w0"));
  screen.key("p");
  EXPECT_TRUE(screen.shows("PAUSED"));
  App client = app();
  EXPECT_THROW(client.send<std::int64_t>("t.fail", "unseen").get(30s), TaskError);
  // The event is in the collector's history once another reader has it; the paused picture stays as
  // it is.
  EXPECT_EQ(
      cluster.baozi({"events", "--from", "oldest", "--type", "task-failed", "--limit", "1"}).code,
      0);
  EXPECT_EQ(screen.screen().find("unseen"), std::string::npos);
  screen.key("p");
  EXPECT_TRUE(screen.shows("unseen"));
  EXPECT_TRUE(screen.no_longer_shows("PAUSED"));
}

TEST_F(TopTest, ItFollowsTheSizeOfTheTerminal) {
  start();
  Terminal& screen = open(110, 40);
  screen.type(top());
  ASSERT_TRUE(screen.shows("q quit  s sort  p pause"));
  for (const auto& [width, height] : {std::pair{60, 12}, std::pair{140, 50}}) {
    screen.resize(width, height);
    // The keys stand on the last line of whatever size there is.
    EXPECT_TRUE(eventually(
        [&] {
          std::string all = screen.screen();
          while (!all.empty() && all.back() == '\n') all.pop_back();
          const bool at_end = all.substr(all.rfind('\n') + 1).starts_with("q quit");
          const auto lines = std::count(all.begin(), all.end(), '\n') + 1;
          return at_end && lines == height;
        },
        30s))
        << screen.screen();
  }
}

TEST_F(TopTest, CtrlCLeavesTheTerminalAsItWas) {
  start();
  Terminal& screen = open();
  screen.type("stty -a > " + (cluster.folder() / "before") + "; " + top() + "; stty -a > " +
              (cluster.folder() / "after") + "; echo finis''hed");
  ASSERT_TRUE(screen.shows("WORKERS"));
  screen.key("C-c");
  EXPECT_TRUE(screen.shows("finished"));
  EXPECT_EQ(TempDir::read(cluster.folder() / "before"), TempDir::read(cluster.folder() / "after"));
}

TEST_F(TopTest, OnceIsOneFrameAsTextOrJson) {
  start();
  app().send<std::int64_t>("c.add", 1, 2).get(30s);
  EXPECT_TRUE(eventually(
      [&] {
        return cluster.baozi({"top", "--once"}).out.find("c.add") != std::string::npos;
      },
      30s));
  const Ran text = cluster.baozi({"top", "--once"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("WORKERS"), std::string::npos);
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  const Ran json = cluster.baozi({"top", "--once", "--json"});
  EXPECT_EQ(Value::from_json(json.out).at("workers").at(0).at("name").as_string().substr(0, 3),
            "w0@");
}

TEST_F(TopTest, WithoutATerminalItSaysWhatItNeeds) {
  start();
  const Ran none = cluster.baozi({"top"});
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("needs a terminal"), std::string::npos) << none.err;
  EXPECT_NE(none.err.find("--once"), std::string::npos) << none.err;
  Terminal& screen = open();
  screen.type("TERM=dumb " + top());
  EXPECT_TRUE(screen.shows("'dumb' cannot"));
  screen.type("TERM=nosuchterm " + top());
  EXPECT_TRUE(screen.shows("'nosuchterm' is not known"));
}

TEST_F(TopTest, ABrokerThatIsGoneIsSaidAndWaitedFor) {
  start();
  Terminal& screen = open(160, 40);
  screen.type(top("--timeout 500ms"));
  ASSERT_TRUE(screen.shows("brokers 1"));
  cluster.broker().kill();
  EXPECT_TRUE(eventually(
      [&] {
        const std::string all = screen.screen();
        return all.find("\n!") != std::string::npos || all.find("brokers 0") != std::string::npos;
      },
      30s));
  cluster.start_broker();
  EXPECT_TRUE(screen.shows("brokers 1"));
  EXPECT_TRUE(screen.no_longer_shows("\n!"));
  screen.key("q");
  EXPECT_TRUE(screen.no_longer_shows("WORKERS"));
}

}  // namespace
}  // namespace baozi::test
