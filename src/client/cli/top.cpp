// baozi top: a live picture of the network on a terminal, or one frame of it as text.
#include <atomic>
#include <clocale>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "base/system_clock.hpp"
#include "client/cli/cli.hpp"
#include "client/cli/interrupt.hpp"
#include "client/cli/top_view.hpp"

namespace baozi::cli {

namespace {

using namespace std::chrono_literals;

WallTime wall_now() { return base::system_now().wall; }

/// What fills the model, on two threads of its own: a silent broker must not hold up the keys.
class Feed {
 public:
  Feed(App& app, Micros interval)
      : app_{app},
        interval_{interval},
        stream_{app.events({.from = "oldest", .types = {}, .tasks = {}})},
        follower_{[this] { follow(); }},
        asker_{[this] { ask_again_and_again(); }} {}
  ~Feed() {
    {
      const std::lock_guard lock{mutex_};
      stop_.store(true);
    }
    stopping_.notify_all();
    follower_.join();
    asker_.join();
  }
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  template <class Use>
  auto with_model(Use&& use) {
    const std::lock_guard lock{mutex_};
    return use(model_);
  }
  /// Answers of brokers so far; and whether the events that there were have been read.
  [[nodiscard]] int answers() const { return answers_.load(); }
  [[nodiscard]] bool has_caught_up() const { return caught_up_.load(); }

 private:
  void follow() {
    guarded([this] {
      while (!stop_.load()) {
        const auto batch = stream_.next(200ms);
        if (!batch) {
          if (stream_.collectors() > 0) caught_up_.store(true);
          continue;
        }
        const std::lock_guard lock{mutex_};
        model_.on_batch(*batch);
      }
    });
  }
  void ask() {
    std::vector<std::pair<std::string, Value>> answers;
    std::size_t silent = 0;
    std::string trouble;
    try {
      NodeReplies replies = app_.control("status");
      silent = replies.silent.size();
      for (NodeReply& reply : replies.replies) {
        if (reply.error.empty()) answers.emplace_back(reply.node, std::move(reply.payload));
      }
    } catch (const AppClosed&) {
      throw;
    } catch (const std::exception& error) {
      trouble = error.what();
    }
    const std::lock_guard lock{mutex_};
    if (trouble.empty()) {
      model_.on_status(answers, silent, wall_now());
      ++answers_;
    } else {
      model_.on_trouble(trouble);
    }
  }
  void ask_again_and_again() {
    guarded([this] {
      while (!stop_.load()) {
        ask();
        std::unique_lock lock{mutex_};
        stopping_.wait_for(lock, interval_, [this] { return stop_.load(); });
      }
    });
  }
  template <class Work>
  void guarded(Work&& work) {
    try {
      work();
    } catch (const std::exception& error) {
      const std::lock_guard lock{mutex_};
      model_.on_trouble(error.what());
    }
  }

  App& app_;
  const Micros interval_;
  std::mutex mutex_;  // guards the model
  std::condition_variable stopping_;
  TopModel model_;
  EventStream stream_;
  std::atomic<bool> stop_{false};
  std::atomic<int> answers_{0};
  std::atomic<bool> caught_up_{false};
  std::thread follower_;
  std::thread asker_;
};

/// One frame, once there is enough to show: two answers, so that there are rates, and the events so
/// far.
int print_once(Feed& feed, const Common& common) {
  const auto deadline = std::chrono::steady_clock::now() + common.timeout;
  while (!is_interrupted() && std::chrono::steady_clock::now() < deadline) {
    if (feed.answers() >= 2 && feed.has_caught_up()) break;
    std::this_thread::sleep_for(20ms);
  }
  return feed.with_model([&](const TopModel& model) {
    if (feed.answers() == 0) {
      std::fprintf(
          stderr, "baozi: %s\n",
          model.trouble().empty() ? "no broker answered in time" : model.trouble().c_str());
      return 1;
    }
    if (common.json) {
      std::printf("%s\n", top_value(model, wall_now()).to_json(2).c_str());
      return 0;
    }
    for (const ScreenLine& line : draw_top(model, {.keys = false}, wall_now()))
      std::printf("%s\n", line.text.c_str());
    return 0;
  });
}

int show(Feed& feed, Screen& screen) {
  TopSort sort = TopSort::busiest;
  bool paused = false;
  TopModel frozen;
  WallTime frozen_at{};
  while (!is_interrupted()) {
    const TopPicture picture{.width = screen.width(),
                             .height = screen.height(),
                             .rows_max = 0,
                             .sort = sort,
                             .paused = paused};
    screen.draw(paused ? draw_top(frozen, picture, frozen_at)
                       : feed.with_model([&](const TopModel& model) {
                           return draw_top(model, picture, wall_now());
                         }));
    switch (screen.key(500ms)) {
      case 'q':
      case 'Q': return 0;
      case 's': sort = next(sort); break;
      case 'p':
      case ' ':
        paused = !paused;
        if (paused) frozen = feed.with_model([](const TopModel& model) { return model; });
        frozen_at = wall_now();
        break;
      default: break;  // another key, a new size, or just the time for a new picture
    }
  }
  return 0;
}

}  // namespace

int top(const Words& words, OpenScreen open_screen) {
  Common common;
  bool once = false;
  Micros interval{1'000'000};
  base::OptionTable table{
      "baozi top",
      "Shows workers, queues, rates, running tasks and the latest failures, live. "
      "Keys: q quits, s sorts otherwise, p pauses."};
  table.add("once", once, "print one frame as text and end; with --json, as JSON");
  table.add("interval", interval, "how often the brokers are asked").range(100ms, 1h);
  common.declare(table);
  if (!read(table, words)) return 0;
  std::setlocale(LC_ALL, "");
  std::unique_ptr<Screen> screen;
  if (!once && !common.json) {
    std::string why_not = "this program was built without a terminal interface";
    if (open_screen != nullptr) screen = open_screen(why_not);
    if (screen == nullptr) {
      std::fprintf(stderr, "baozi: top: %s; 'baozi top --once' prints one frame as text\n",
                   why_not.c_str());
      return 1;
    }
  }
  end_on_interrupt();
  App app = common.app();
  Feed feed{app, screen == nullptr ? Micros{std::min<Micros>(interval, 500ms)} : interval};
  return screen == nullptr ? print_once(feed, common) : show(feed, *screen);
}

}  // namespace baozi::cli
