#include "beat/schedule_source.hpp"

#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/system_clock.hpp"
#include "beat/schedule_file.hpp"

namespace baozi::beat {

namespace {

/// What a store keeps of an entry of the file that has run out is that it is disabled.
bool is_same(const Entry& of_file, Entry stored) {
  if (of_file.one_off || of_file.max_runs) stored.enabled = of_file.enabled;
  return of_file == stored;
}

}  // namespace

ScheduleSource::ScheduleSource(SourceOptions options, std::unique_ptr<store::ScheduleStore> store,
                               Tell tell)
    : options_{std::move(options)}, store_{std::move(store)}, tell_{std::move(tell)} {}

ScheduleSource::~ScheduleSource() { stop(); }

Result<void> ScheduleSource::start() {
  if (!options_.file.empty()) {
    read_stamp_ = stamp();
    Result<std::vector<Entry>> entries = read_schedule_file(options_.file, options_.zone);
    if (!entries) return Unexpected{entries.error()};
    of_file_ = std::move(*entries);
  }
  must_load_ = true;
  thread_ = std::thread{[this] { run(); }};
  pthread_setname_np(thread_.native_handle(), "baozi-schedule");
  return {};
}

void ScheduleSource::record(std::vector<store::EntryProgress>&& progress) {
  if (store_ == nullptr) return;
  const std::lock_guard lock{mutex_};
  std::move(progress.begin(), progress.end(), std::back_inserter(given_));
  wake_.notify_one();
}

void ScheduleSource::reload() {
  const std::lock_guard lock{mutex_};
  reload_asked_ = true;
  wake_.notify_one();
}

void ScheduleSource::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ScheduleSource::run() {
  MonoTime next_poll{};
  while (true) {
    bool reload = false;
    bool stopping = false;
    {
      std::unique_lock lock{mutex_};
      const Micros left = next_poll - base::mono_now();
      wake_.wait_for(lock, std::max(left, Micros{0}),
                     [&] { return stopping_ || reload_asked_ || !given_.empty(); });
      for (store::EntryProgress& progress : std::exchange(given_, {})) {
        store::EntryProgress& kept = to_write_[progress.name];
        progress.disable |= kept.disable;
        kept = std::move(progress);
      }
      reload = std::exchange(reload_asked_, false);
      stopping = stopping_;
    }
    if (stopping) break;
    const bool is_due = base::mono_now() >= next_poll;
    if (is_due) next_poll = base::mono_now() + options_.poll;
    if (!options_.file.empty() && (reload || is_due)) look_at_file(reload);
    if (is_due) step();
    if (!is_away_) flush();
  }
  flush();
  if (store_ != nullptr && leads_) static_cast<void>(store_->yield_lead(options_.holder));
}

/// Once a poll, and at the start.
void ScheduleSource::step() {
  if (store_ == nullptr) {
    leads_ = true;
  } else {
    look_at_lead();
    if (leads_) look_at_store();
  }
  if (!leads_) return;
  flush();  // what is loaded then has it
  if (must_load_) load();
}

void ScheduleSource::look_at_lead() {
  const MonoTime now = base::mono_now();
  if (leads_ && now < next_lead_) return;
  const Result<bool> leads = store_->lead(options_.holder, options_.lead_span);
  if (!is_fine(leads ? Result<void>{} : Result<void>{Unexpected{leads.error()}})) return;
  next_lead_ = now + options_.lead_span / 3;
  if (*leads) {
    if (!std::exchange(leads_, true)) {
      must_load_ = true;
      is_told_of_leader_ = false;
      say("this beat leads");
    }
    return;
  }
  if (std::exchange(leads_, false)) {
    to_write_.clear();
    tell_({.entries = std::nullopt, .lead_lost = true, .notice = {}, .warning = {}});
  }
  if (!std::exchange(is_told_of_leader_, true)) {
    const Result<std::string> leader = store_->leader();
    say(fmt::format("another beat leads{}: waiting",
                    leader && !leader->empty() ? " (" + *leader + ")" : ""));
  }
}

ScheduleSource::Stamp ScheduleSource::stamp() const {
  struct stat info {};
  if (::stat(options_.file.c_str(), &info) != 0) return {};
  return {std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec, info.st_ino,
          info.st_size};
}

void ScheduleSource::look_at_file(bool is_asked) {
  const Stamp now = stamp();
  if (now == read_stamp_ && !is_asked) return;
  read_stamp_ = now;
  Result<std::vector<Entry>> entries = read_schedule_file(options_.file, options_.zone);
  if (!entries) {
    return warn(
        fmt::format("{}; the schedule that was read before goes on", entries.error().message));
  }
  of_file_ = std::move(*entries);
  must_load_ = true;
  if (leads_) load();
}

void ScheduleSource::look_at_store() {
  const Result<std::uint64_t> version = store_->version();
  if (!is_fine(version ? Result<void>{} : Result<void>{Unexpected{version.error()}})) return;
  if (version_ != *version) must_load_ = true;
  version_ = *version;
}

void ScheduleSource::load() {
  std::vector<store::StoredEntry> entries;
  if (store_ == nullptr) {
    entries.reserve(of_file_.size());
    for (const Entry& entry : of_file_) entries.push_back({entry, {}, 0});
  } else if (!options_.file.empty()) {
    auto loaded = load_file_with_state();
    if (!is_fine(loaded ? Result<void>{} : Result<void>{Unexpected{loaded.error()}})) return;
    entries = std::move(*loaded);
  } else {
    std::vector<std::string> broken;
    auto loaded = store_->load(broken);
    if (!is_fine(loaded ? Result<void>{} : Result<void>{Unexpected{loaded.error()}})) return;
    entries = std::move(*loaded);
    std::string lines;
    for (const std::string& line : broken) lines += (lines.empty() ? "" : "; ") + line;
    if (lines != broken_told_ && !lines.empty()) warn("not to be read, and left out: " + lines);
    broken_told_ = lines;
  }
  must_load_ = false;
  News news;
  news.notice = fmt::format("the schedule has {} {}", entries.size(),
                            entries.size() == 1 ? "entry" : "entries");
  news.entries = std::move(entries);
  tell_(std::move(news));
}

/// The file says what there is, the store how far it has come.
Result<std::vector<store::StoredEntry>> ScheduleSource::load_file_with_state() {
  std::vector<std::string> broken;
  auto loaded = store_->load(broken);
  if (!loaded) return Unexpected{loaded.error()};
  std::map<std::string, store::StoredEntry> stored;
  for (store::StoredEntry& one : *loaded) {
    std::string name = one.entry.name;
    stored.emplace(std::move(name), std::move(one));
  }
  std::vector<store::StoredEntry> entries;
  std::vector<Entry> changed;
  for (const Entry& entry : of_file_) {
    const auto found = stored.find(entry.name);
    if (found == stored.end() || !is_same(entry, found->second.entry)) changed.push_back(entry);
    if (found == stored.end()) {
      entries.push_back({entry, {}, 0});
    } else {
      entries.push_back({entry, found->second.record, found->second.run_requests});
      stored.erase(found);
    }
  }
  const WallTime now = base::wall_now();
  if (!changed.empty()) {
    if (auto put = store_->put(changed, "import", options_.holder, now); !put)
      return Unexpected{put.error()};
  }
  for (const auto& [name, gone] : stored) {
    if (auto removed = store_->remove(name, options_.holder, now); !removed)
      return Unexpected{removed.error()};
  }
  if (!changed.empty() || !stored.empty()) {
    const auto version = store_->version();
    if (version) version_ = *version;
  }
  return entries;
}

void ScheduleSource::flush() {
  if (store_ == nullptr || to_write_.empty() || !leads_) return;
  std::vector<store::EntryProgress> progress;
  progress.reserve(to_write_.size());
  for (const auto& [name, one] : to_write_) progress.push_back(one);
  const Result<void> written = store_->record(progress, options_.holder);
  if (!written && written.error().code == Errc::invalid) {
    next_lead_ = {};  // somebody else has the lead: the next step says so
    to_write_.clear();
    return;
  }
  if (is_fine(written)) to_write_.clear();
}

bool ScheduleSource::is_fine(const Result<void>& result) {
  if (result) {
    if (std::exchange(is_away_, false)) say("the schedule's store is back");
    return true;
  }
  if (!std::exchange(is_away_, true)) {
    warn(fmt::format("the schedule's store is away: {}; the last known schedule goes on",
                     result.error().message));
  }
  return false;
}

void ScheduleSource::say(std::string notice) {
  tell_({.entries = std::nullopt, .lead_lost = false, .notice = std::move(notice), .warning = {}});
}

void ScheduleSource::warn(std::string warning) {
  tell_({.entries = std::nullopt, .lead_lost = false, .notice = {}, .warning = std::move(warning)});
}

}  // namespace baozi::beat
