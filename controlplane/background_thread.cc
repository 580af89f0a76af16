// See background_thread.h.
#include "controlplane/background_thread.h"

#include <utility>

#include "lib/base/clock.h"
#include "lib/base/start_thread.h"

namespace guideway {

BackgroundThread::BackgroundThread(EventLoop* loop)
    : loop_(loop), started_(StartThread([this] { Work(); }, &thread_)) {}

BackgroundThread::~BackgroundThread() {
  *alive_ = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void BackgroundThread::Run(std::function<void()> work, std::function<void()> done,
                           EventLoop::WorkName name) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back({std::move(work), std::move(done), name});
  }
  changed_.notify_one();
}

absl::Duration BackgroundThread::BusyFor() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return busy_since_.has_value() ? MonotonicNow() - *busy_since_ : absl::ZeroDuration();
}

void BackgroundThread::Work() {
  for (;;) {
    Item item;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      item = std::move(waiting_.front());
      waiting_.pop_front();
      busy_since_ = MonotonicNow();
    }
    item.work();
    item.work = nullptr;  // what it holds is freed here
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      busy_since_.reset();
    }
    if (!item.done) continue;
    loop_->Post(
        [alive = alive_, done = std::move(item.done)] {
          if (*alive) done();
        },
        item.name);
  }
}

}  // namespace guideway
