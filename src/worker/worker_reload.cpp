// The worker's shell while its task libraries are loaded anew (docs/workers.md, "New code").
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "worker/worker_node.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t names_shown_max = 10;

std::string listed(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string text = std::string{"; "} + what + ": ";
  for (std::size_t i = 0; i < std::min(names.size(), names_shown_max); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > names_shown_max) {
    text += " and " + std::to_string(names.size() - names_shown_max) + " more";
  }
  return text;
}

std::string changes_between(const TaskTable& before, const TaskTable& after) {
  const std::vector<std::string> old_names = before.names();
  const std::vector<std::string> new_names = after.names();
  std::vector<std::string> added;
  std::vector<std::string> gone;
  std::set_difference(new_names.begin(), new_names.end(), old_names.begin(), old_names.end(),
                      std::back_inserter(added));
  std::set_difference(old_names.begin(), old_names.end(), new_names.begin(), new_names.end(),
                      std::back_inserter(gone));
  return listed("new", added) + listed("gone", gone);
}

}  // namespace

void WorkerNode::begin_reload(Now now) {
  if (!reload_for_.empty() || reload_after_.empty()) return;
  changes_.clear();
  const std::string why = pool_->reload();
  if (!why.empty()) {
    log::warning("the task libraries are not loaded anew: {}", why);
    return answer_reload(reload_after_, WorkerDesk::refused(why), now);
  }
  log::info("loading the task libraries anew");
  std::swap(reload_for_, reload_after_);
}

void WorkerNode::reloaded(const std::string& failure, Now now) {
  if (failure.empty()) {
    const std::string text = "the task libraries were loaded anew, with " +
                             std::to_string(tasks_->size()) + " tasks" + changes_;
    log::info("{}", text);
    answer_reload(
        reload_for_,
        WorkerDesk::said(text + "; every slot is replaced as soon as it is between two tasks"),
        now);
  } else {
    const std::string text = "nothing has changed: " + failure;
    log::warning("the task libraries were not loaded anew, {}", text);
    answer_reload(reload_for_, WorkerDesk::refused(text), now);
  }
  begin_reload(now);
}

void WorkerNode::answer_reload(std::vector<std::uint64_t>& askers, const WorkerDesk::Said& said,
                               Now now) {
  for (const std::uint64_t ticket : std::exchange(askers, {})) {
    core_->answer_command(ticket, said.code, said.payload, now, effects_);
  }
}

void WorkerNode::end_reloads(Now now) {
  pool_->abandon_reload();
  const WorkerDesk::Said said = WorkerDesk::refused("the worker is stopping");
  answer_reload(reload_for_, said, now);
  answer_reload(reload_after_, said, now);
}

void WorkerNode::take_tasks(Now now) {
  std::shared_ptr<const TaskTable> tasks = pool_->tasks();
  if (tasks == tasks_) return;
  changes_ = changes_between(*tasks_, *tasks);
  core_->set_policies(*tasks, now, effects_);
  desk_->set_tasks(tasks);
  tasks_before_.push_back(std::exchange(tasks_, std::move(tasks)));
}

void WorkerNode::drop_tasks_before() {
  std::erase_if(tasks_before_, [&](const auto& one) { return !core_->needs(*one); });
}

}  // namespace baozi::worker
