// A thread's work as events: descriptors, timers and closures from other threads.
//
// Everything of the controller's runs on the thread that calls Run(), so none of it needs locks; so
// does all of the store's on a loop of its own, see store_thread.h. A handler keeps everything else
// waiting, so it is to be short; meter() says which are not. Thread safety: Post(), Call() and
// Stop() from any thread; all else only on the loop's thread (or before Run()).
#ifndef GUIDEWAY_CONTROLPLANE_EVENT_LOOP_H_
#define GUIDEWAY_CONTROLPLANE_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/loop_meter.h"

namespace guideway {

class EventLoop {
 public:
  using TimerId = uint64_t;
  // A string literal that says what a handler is for, see LoopMeter; else the caller's file does.
  using WorkName = const char*;
  // Long work goes on for so long in one turn, one step at least, and then in another one.
  static constexpr absl::Duration kTurn = absl::Milliseconds(2);

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls `handler(events)` whenever one of `events` (EPOLLIN, EPOLLOUT ...) holds for `fd`.
  // Watching a watched fd replaces its events and handler. The fd is borrowed. A handler may
  // unwatch any fd.
  void Watch(int fd, uint32_t events, std::function<void(uint32_t)> handler,
             WorkName work = __builtin_FILE());
  // The same; 0, or the errno for which the kernel does not watch it (ENOMEM, ENOSPC): then it is
  // not watched.
  int TryWatch(int fd, uint32_t events, std::function<void(uint32_t)> handler,
               WorkName work = __builtin_FILE());
  void Unwatch(int fd);

  // Calls `handler` once, `delay` from now (monotonic clock).
  TimerId After(absl::Duration delay, std::function<void()> handler,
                WorkName work = __builtin_FILE());
  void Cancel(TimerId id);  // a timer that has run or was cancelled is ignored
  // Monotonic time as the loop sees it.
  absl::Duration Now() const;

  // Runs `closure` on the loop's thread, soon. Any thread.
  void Post(std::function<void()> closure, WorkName work = __builtin_FILE());
  // Runs `closure` on the loop's thread and waits until it has run; false if the loop has stopped.
  bool Call(std::function<void()> closure, WorkName work = __builtin_FILE());

  void Run();   // until Stop()
  void Stop();  // any thread

  LoopMeter& meter();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_EVENT_LOOP_H_
