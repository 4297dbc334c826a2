#include "client/callback_thread.hpp"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>

#include <pthread.h>

#include "base/log.hpp"

namespace baozi::client {

namespace {

thread_local bool on_callback_thread = false;

struct Job {
  std::function<void()> function;
  Executor executor;
};

void perform(Job& job) {
  try {
    if (job.executor) {
      job.executor(std::move(job.function));
    } else {
      job.function();
    }
  } catch (const std::exception& error) {
    log::error("a callback threw: {}", error.what());
  } catch (...) {
    log::error("a callback threw something that is no std::exception");
  }
  job = {};
}

}  // namespace

struct CallbackThread::Queue {
  std::mutex mutex;  // guards the rest
  std::condition_variable wake;
  std::deque<Job> jobs;
  bool idle = false;
  bool stopping = false;
};

CallbackThread::CallbackThread() : queue_{std::make_shared<Queue>()} {}

bool CallbackThread::is_this() { return on_callback_thread; }

void CallbackThread::run(std::function<void()> function, Executor executor) {
  Job job{std::move(function), std::move(executor)};
  std::unique_lock lock{queue_->mutex};
  if (queue_->stopping) {
    lock.unlock();
    return perform(job);
  }
  queue_->jobs.push_back(std::move(job));
  if (!thread_.joinable()) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread{[queue = queue_] { work(queue); }};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread_.native_handle(), "baozi-callback");
  }
  if (std::exchange(queue_->idle, false)) queue_->wake.notify_one();
}

void CallbackThread::work(const std::shared_ptr<Queue>& queue) {
  on_callback_thread = true;
  std::deque<Job> taken;
  std::unique_lock lock{queue->mutex};
  while (true) {
    if (queue->jobs.empty()) {
      if (queue->stopping) return;
      queue->idle = true;
      queue->wake.wait(lock, [&] { return !queue->jobs.empty() || queue->stopping; });
      queue->idle = false;
      continue;
    }
    taken.swap(queue->jobs);
    lock.unlock();
    for (Job& job : taken) perform(job);
    taken.clear();
    lock.lock();
  }
}

void CallbackThread::stop() {
  std::thread ending;
  {
    const std::lock_guard lock{queue_->mutex};
    queue_->stopping = true;
    queue_->wake.notify_one();
    ending.swap(thread_);
  }
  if (!ending.joinable()) return;
  if (ending.get_id() == std::this_thread::get_id()) {
    ending.detach();  // a callback closes its own App
  } else {
    ending.join();
  }
}

}  // namespace baozi::client
