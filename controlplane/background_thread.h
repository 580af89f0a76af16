// A thread for what takes long: building large tables, writing to disks, freeing much memory.
//
// Work is done in the order in which it came. It must share nothing that changes with the loop.
// A host that has no thread left says so in started(), and nothing is ever done then. Thread
// safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_BACKGROUND_THREAD_H_
#define GUIDEWAY_CONTROLPLANE_BACKGROUND_THREAD_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/event_loop.h"

namespace guideway {

class BackgroundThread {
 public:
  // `loop` outlives it.
  explicit BackgroundThread(EventLoop* loop);
  // Waits for the work that is being done and drops the rest.
  ~BackgroundThread();
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  // Why there is no thread; ok: there is one.
  const absl::Status& started() const { return started_; }
  // Calls `work` on the thread, then `done` on the loop; `done` not after this object is gone.
  void Run(std::function<void()> work, std::function<void()> done = nullptr,
           EventLoop::WorkName name = __builtin_FILE());
  // How long the work that is being done has taken; zero: none is.
  absl::Duration BusyFor() const;
  // Frees what is handed over.
  template <typename T>
  void Dispose(T rest) {
    Run([held = std::make_shared<T>(std::move(rest))]() mutable { held.reset(); });
  }

 private:
  struct Item {
    std::function<void()> work;
    std::function<void()> done;
    EventLoop::WorkName name;
  };
  void Work();

  EventLoop* const loop_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // read on the loop only
  mutable std::mutex mutex_;                                          // guards the next three
  std::deque<Item> waiting_;
  std::optional<absl::Duration> busy_since_;  // MonotonicNow()
  bool stopping_ = false;
  std::condition_variable changed_;
  std::thread thread_;
  absl::Status started_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_BACKGROUND_THREAD_H_
