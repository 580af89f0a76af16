// An event loop on a thread of its own, for tests: run code on it, wait for what it brings about.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOOP_THREAD_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOOP_THREAD_H_

#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "controlplane/event_loop.h"

namespace guideway {

class LoopThread {
 public:
  // `before_run` runs on the new thread first (to enter a network namespace, say).
  explicit LoopThread(std::function<void()> before_run = [] {})
      : thread_([this, before_run] {
          before_run();
          loop_.Run();
        }) {}
  ~LoopThread() {
    loop_.Stop();
    thread_.join();
  }

  EventLoop* loop() { return &loop_; }
  void On(std::function<void()> work) { loop_.Call(std::move(work)); }

  // Waits until `condition` holds, looked at on the loop's thread; false after `timeout`.
  bool Await(std::function<bool()> condition, absl::Duration timeout = absl::Seconds(5)) {
    auto held = std::make_shared<std::promise<bool>>();
    auto result = held->get_future();
    On([&] { Look(condition, loop_.Now() + timeout, held); });
    return result.get();
  }

 private:
  void Look(std::function<bool()> condition, absl::Duration deadline,
            std::shared_ptr<std::promise<bool>> held) {
    if (condition()) {
      held->set_value(true);
    } else if (loop_.Now() > deadline) {
      held->set_value(false);
    } else {
      loop_.After(absl::Milliseconds(2),
                  [this, condition, deadline, held] { Look(condition, deadline, held); });
    }
  }

  EventLoop loop_;
  std::thread thread_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOOP_THREAD_H_
