// Where entries come from: a store that is away, a lead that is lost, a file that changes.
#include "beat/schedule_source.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>

#include <gtest/gtest.h>

#include "store/memory_schedule_store.hpp"
#include "support/eventually.hpp"
#include "support/temp_dir.hpp"

namespace baozi::beat {
namespace {

using namespace std::chrono_literals;
using test::eventually;

/// What several beats share, and may lose sight of.
struct Shared {
  std::mutex mutex;
  store::MemoryScheduleStore store;
  std::atomic<bool> is_away{false};
};

/// One beat's view of it.
class View final : public store::ScheduleStore {
 public:
  explicit View(Shared& shared) : shared_{shared} {}
  Result<std::uint64_t> version() override {
    return ask<std::uint64_t>([](auto& store) { return store.version(); });
  }
  Result<std::vector<store::StoredEntry>> load(std::vector<std::string>& broken) override {
    return ask<std::vector<store::StoredEntry>>([&](auto& store) { return store.load(broken); });
  }
  Result<std::optional<store::StoredEntry>> find(const std::string& name) override {
    return ask<std::optional<store::StoredEntry>>([&](auto& store) { return store.find(name); });
  }
  Result<void> put(std::span<const Entry> entries, const std::string& what, const std::string& who,
                   WallTime now) override {
    return ask<void>([&](auto& store) { return store.put(entries, what, who, now); });
  }
  Result<bool> edit(const std::string& name, const Edit& change, const std::string& what,
                    const std::string& who, WallTime now) override {
    return ask<bool>([&](auto& store) { return store.edit(name, change, what, who, now); });
  }
  Result<bool> remove(const std::string& name, const std::string& who, WallTime now) override {
    return ask<bool>([&](auto& store) { return store.remove(name, who, now); });
  }
  Result<bool> request_run(const std::string& name, const std::string& who, WallTime now) override {
    return ask<bool>([&](auto& store) { return store.request_run(name, who, now); });
  }
  Result<std::vector<store::ScheduleChange>> changes(const std::string& entry,
                                                     std::size_t limit) override {
    return ask<std::vector<store::ScheduleChange>>(
        [&](auto& store) { return store.changes(entry, limit); });
  }
  Result<void> record(std::span<const store::EntryProgress> progress,
                      const std::string& holder) override {
    return ask<void>([&](auto& store) { return store.record(progress, holder); });
  }
  Result<bool> lead(const std::string& holder, Micros span) override {
    return ask<bool>([&](auto& store) { return store.lead(holder, span); });
  }
  Result<void> yield_lead(const std::string& holder) override {
    return ask<void>([&](auto& store) { return store.yield_lead(holder); });
  }
  Result<std::string> leader() override {
    return ask<std::string>([](auto& store) { return store.leader(); });
  }

 private:
  template <class T, class Call>
  Result<T> ask(Call call) {
    if (shared_.is_away) return unexpected(Errc::store_failed, "no way there");
    const std::lock_guard lock{shared_.mutex};
    return call(shared_.store);
  }
  Shared& shared_;
};

class ScheduleSourceTest : public testing::Test {
 protected:
  struct Heard {
    std::mutex mutex;
    std::vector<std::vector<std::string>> entries;
    std::vector<std::string> lines;
    int lead_lost = 0;
  };

  std::unique_ptr<ScheduleSource> start(Heard& heard, const std::string& holder, bool with_store,
                                        const std::string& file = {}) {
    SourceOptions options;
    options.file = file;
    options.holder = holder;
    options.poll = Micros{5'000};
    options.lead_span = Micros{3'600'000'000};  // no test waits for its end
    auto source = std::make_unique<ScheduleSource>(
        options, with_store ? std::make_unique<View>(shared) : nullptr,
        [&heard](ScheduleSource::News&& news) {
          const std::lock_guard lock{heard.mutex};
          if (news.entries) {
            heard.entries.emplace_back();
            for (const auto& one : *news.entries) heard.entries.back().push_back(one.entry.name);
          }
          heard.lead_lost += news.lead_lost ? 1 : 0;
          if (!news.warning.empty()) heard.lines.push_back(news.warning);
          if (!news.notice.empty()) heard.lines.push_back(news.notice);
        });
    const auto started = source->start();
    EXPECT_TRUE(started) << (started ? "" : started.error().message);
    return source;
  }
  static std::size_t count(Heard& heard, const std::string& text) {
    const std::lock_guard lock{heard.mutex};
    return static_cast<std::size_t>(std::count_if(
        heard.lines.begin(), heard.lines.end(),
        [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }
  static bool has(Heard& heard, const std::vector<std::string>& names) {
    return eventually([&] {
      const std::lock_guard lock{heard.mutex};
      return !heard.entries.empty() && heard.entries.back() == names;
    });
  }
  void put(const std::string& name) {
    const std::lock_guard lock{shared.mutex};
    const std::vector<Entry> entries{
        *Entry::parse(name, Value::from_json(R"({"every": 1, "task": "t"})"))};
    ASSERT_TRUE(shared.store.put(entries, "add", "me", WallTime{}));
  }
  std::uint64_t runs_of(const std::string& name) {
    const std::lock_guard lock{shared.mutex};
    auto found = shared.store.find(name);
    return found && *found ? (*found)->record.total_run_count : 0;
  }
  static std::vector<store::EntryProgress> progress(const std::string& name, std::uint64_t runs) {
    store::EntryProgress one;
    one.name = name;
    one.record.total_run_count = runs;
    return {one};
  }

  Shared shared;
  Heard first;
  Heard second;
};

TEST_F(ScheduleSourceTest, AStoreThatIsAwayIsToldOnceAndProgressIsWrittenWhenItIsBack) {
  put("a");
  auto source = start(first, "first", true);
  ASSERT_TRUE(has(first, {"a"}));
  shared.is_away = true;
  source->record(progress("a", 1));
  ASSERT_TRUE(eventually([&] { return count(first, "the last known schedule goes on") == 1; }));
  source->record(progress("a", 2));
  shared.is_away = false;
  ASSERT_TRUE(eventually([&] { return count(first, "the schedule's store is back") == 1; }));
  EXPECT_TRUE(eventually([&] { return runs_of("a") == 2; }));
  EXPECT_EQ(count(first, "the last known schedule goes on"), 1u);
  const std::lock_guard lock{first.mutex};
  EXPECT_EQ(first.lead_lost, 0);
}

TEST_F(ScheduleSourceTest, OnlyTheOneThatLeadsIsGivenEntries) {
  put("a");
  auto one = start(first, "first", true);
  ASSERT_TRUE(has(first, {"a"}));
  auto two = start(second, "second", true);
  ASSERT_TRUE(eventually([&] { return count(second, "another beat leads (first)") == 1; }));
  {
    const std::lock_guard lock{second.mutex};
    EXPECT_TRUE(second.entries.empty());
  }
  one->record(progress("a", 7));
  one->stop();  // writes it, and gives the lead back
  ASSERT_TRUE(has(second, {"a"}));
  EXPECT_EQ(runs_of("a"), 7u);
}

TEST_F(ScheduleSourceTest, WhoWasTakenForLostLearnsThatItLeadsNoMore) {
  put("a");
  auto one = start(first, "first", true);
  ASSERT_TRUE(has(first, {"a"}));
  {
    const std::lock_guard lock{shared.mutex};
    ASSERT_TRUE(shared.store.yield_lead("first"));
    ASSERT_TRUE(*shared.store.lead("second", Micros{3'600'000'000}));
  }
  one->record(progress("a", 9));
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock{first.mutex};
    return first.lead_lost == 1;
  }));
  EXPECT_EQ(runs_of("a"), 0u) << "another has written further";
}

TEST_F(ScheduleSourceTest, AChangeOfTheStoreIsSeen) {
  put("a");
  auto source = start(first, "first", true);
  ASSERT_TRUE(has(first, {"a"}));
  put("b");
  EXPECT_TRUE(has(first, {"a", "b"}));
}

TEST_F(ScheduleSourceTest, AFilesEntriesAndNoOthersAreInItsState) {
  test::TempDir folder;
  const std::string file = folder / "s.yaml";
  const auto write = [&](const std::string& text) {
    std::ofstream{file + ".new"} << text;
    ASSERT_EQ(std::rename((file + ".new").c_str(), file.c_str()), 0);
  };
  put("old");
  write("entries: {a: {every: 1, task: t}, b: {every: 1, task: t}}");
  auto source = start(first, "first", true, file);
  ASSERT_TRUE(has(first, {"a", "b"}));
  source->record(progress("a", 3));
  EXPECT_TRUE(eventually([&] { return runs_of("a") == 3; }));
  write("entries: {a: {every: 2, task: t}}");
  ASSERT_TRUE(has(first, {"a"}));
  EXPECT_EQ(runs_of("a"), 3u) << "a changed entry keeps its progress";
  std::vector<std::string> broken;
  const std::lock_guard lock{shared.mutex};
  EXPECT_EQ(shared.store.load(broken)->size(), 1u);
}

}  // namespace
}  // namespace baozi::beat
