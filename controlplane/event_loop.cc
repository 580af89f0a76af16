// epoll for descriptors, an ordered set of deadlines for timers, an eventfd for other threads.
#include "controlplane/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "glog/logging.h"
#include "lib/base/clock.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

constexpr int kEvents = 64;
// Of so many events each: a flood of events delays timers by no more.
constexpr int kRounds = 64;
// Closures and timers run for so long, or one, before descriptors are looked at again.
constexpr absl::Duration kBurst = absl::Milliseconds(5);

// What Call() waits on. Outlives the loop if the caller is slow to wake up.
struct Waiter {
  std::mutex mutex;
  std::condition_variable condition;
  bool finished = false;
  bool ran = false;

  void Finish(bool closure_ran) {
    std::lock_guard<std::mutex> lock(mutex);
    finished = true;
    ran = closure_ran;
    condition.notify_all();
  }
  bool Wait() {
    std::unique_lock<std::mutex> lock(mutex);
    condition.wait(lock, [this] { return finished; });
    return ran;
  }
};

struct Posted {
  std::function<void()> closure;
  std::shared_ptr<Waiter> waiter;  // null: nobody waits
  EventLoop::WorkName work;
};

struct Timer {
  std::function<void()> handler;
  EventLoop::WorkName work;
};

struct Watched {
  // Tells an event that was reported for an earlier watch of the same descriptor number.
  uint32_t watch_number = 0;
  std::shared_ptr<std::function<void(uint32_t)>> handler;
  EventLoop::WorkName work = nullptr;
};

}  // namespace

struct EventLoop::State {
  // Loop thread only.
  UniqueFd epoll;
  std::unordered_map<int, Watched> watched;
  uint32_t next_watch_number = 1;
  std::map<std::pair<absl::Duration, TimerId>, Timer> timers;
  std::unordered_map<TimerId, absl::Duration> deadlines;
  TimerId next_timer = 1;
  LoopMeter meter;
  absl::Duration now;  // at the end of the last turn

  // Any thread.
  UniqueFd wake;
  std::atomic<std::thread::id> thread{};  // of Run(); none before and after it
  std::mutex mutex;                       // guards posted and stopped
  std::deque<Posted> posted;
  bool stopped = false;

  void Wake() {
    const uint64_t one = 1;
    // Can only fail if the counter is full, and then the loop is awake anyway.
    [[maybe_unused]] ssize_t written = write(wake.get(), &one, sizeof(one));
  }

  bool Enqueue(Posted item) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (stopped) return false;
      posted.push_back(std::move(item));
    }
    // The loop's own thread looks before it waits.
    if (thread.load() != std::this_thread::get_id()) Wake();
    return true;
  }

  size_t CountPosted() {
    std::lock_guard<std::mutex> lock(mutex);
    return posted.size();
  }

  Posted TakePosted() {
    std::lock_guard<std::mutex> lock(mutex);
    Posted item = std::move(posted.front());
    posted.pop_front();
    return item;
  }

  template <typename F>
  void Turn(WorkName work, F&& handler) {
    meter.Begin(now);
    handler();
    const absl::Duration begin = now;
    now = MonotonicNow();
    meter.End(work, begin, now);
  }

  // Those that were there when it is called, if there is time. What they post is for the next time.
  void RunPosted() {
    const absl::Duration end = now + kBurst;
    for (size_t left = CountPosted(); left > 0; --left) {
      Posted item = TakePosted();
      Turn(item.work, [&] {
        item.closure();
        item.closure = nullptr;  // what it holds may take time to free
      });
      if (item.waiter) item.waiter->Finish(true);
      if (now >= end) return;
    }
  }

  void RunDueTimers(absl::Duration due) {
    const absl::Duration end = now + kBurst;
    while (!timers.empty() && timers.begin()->first.first <= due) {
      auto timer = std::move(timers.begin()->second);
      deadlines.erase(timers.begin()->first.second);
      timers.erase(timers.begin());
      Turn(timer.work, [&] {
        timer.handler();
        timer.handler = nullptr;
      });
      if (now >= end) return;
    }
  }

  // Milliseconds until the first timer is due, rounded up; -1 without timers.
  int WaitMilliseconds() {
    if (CountPosted() > 0) return 0;
    if (timers.empty()) return -1;
    const absl::Duration wait = timers.begin()->first.first - MonotonicNow();
    if (wait <= absl::ZeroDuration()) return 0;
    const int64_t milliseconds = absl::ToInt64Milliseconds(
        std::min<absl::Duration>(absl::Ceil(wait, absl::Milliseconds(1)), absl::Hours(1)));
    return static_cast<int>(milliseconds);
  }

  void Dispatch(const epoll_event& event) {
    const int fd = static_cast<int>(event.data.u64 & 0xffffffff);
    const auto found = watched.find(fd);
    if (found == watched.end() || found->second.watch_number != event.data.u64 >> 32) return;
    auto handler = found->second.handler;  // held: the handler may unwatch itself
    Turn(found->second.work, [&] {
      (*handler)(event.events);
      handler = nullptr;
    });
  }
};

EventLoop::EventLoop() : state_(std::make_unique<State>()) {
  state_->epoll.reset(epoll_create1(EPOLL_CLOEXEC));
  PCHECK(state_->epoll.valid()) << "epoll_create1";
  state_->wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  PCHECK(state_->wake.valid()) << "eventfd";
  Watch(state_->wake.get(), EPOLLIN, [state = state_.get()](uint32_t) {
    uint64_t count = 0;
    [[maybe_unused]] ssize_t got = read(state->wake.get(), &count, sizeof(count));
  });
}

EventLoop::~EventLoop() = default;

void EventLoop::Watch(int fd, uint32_t events, std::function<void(uint32_t)> handler,
                      WorkName work) {
  errno = TryWatch(fd, events, std::move(handler), work);
  PCHECK(errno == 0) << "epoll_ctl of descriptor " << fd;
}

int EventLoop::TryWatch(int fd, uint32_t events, std::function<void(uint32_t)> handler,
                        WorkName work) {
  Watched& entry = state_->watched[fd];
  const bool known = entry.watch_number != 0;
  entry.watch_number = state_->next_watch_number++;
  entry.handler = std::make_shared<std::function<void(uint32_t)>>(std::move(handler));
  entry.work = work;
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<uint64_t>(entry.watch_number) << 32 | static_cast<uint32_t>(fd);
  int result = epoll_ctl(state_->epoll.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
  // The descriptor may have been closed (which removes it from epoll) and its number used again.
  if (result != 0 && errno == ENOENT)
    result = epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, fd, &event);
  if (result == 0) return 0;
  const int error = errno;
  state_->watched.erase(fd);
  return error;
}

void EventLoop::Unwatch(int fd) {
  if (state_->watched.erase(fd) == 0) return;
  epoll_ctl(state_->epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::TimerId EventLoop::After(absl::Duration delay, std::function<void()> handler,
                                    WorkName work) {
  const TimerId id = state_->next_timer++;
  const absl::Duration deadline = Now() + std::max(delay, absl::ZeroDuration());
  state_->deadlines.emplace(id, deadline);
  state_->timers.emplace(std::make_pair(deadline, id), Timer{std::move(handler), work});
  return id;
}

void EventLoop::Cancel(TimerId id) {
  const auto found = state_->deadlines.find(id);
  if (found == state_->deadlines.end()) return;
  state_->timers.erase({found->second, id});
  state_->deadlines.erase(found);
}

absl::Duration EventLoop::Now() const { return MonotonicNow(); }

LoopMeter& EventLoop::meter() { return state_->meter; }

void EventLoop::Post(std::function<void()> closure, WorkName work) {
  state_->Enqueue({std::move(closure), nullptr, work});
}

bool EventLoop::Call(std::function<void()> closure, WorkName work) {
  if (state_->thread.load() == std::this_thread::get_id()) {
    closure();
    return true;
  }
  auto waiter = std::make_shared<Waiter>();
  if (!state_->Enqueue({std::move(closure), waiter, work})) return false;
  return waiter->Wait();
}

void EventLoop::Run() {
  state_->thread.store(std::this_thread::get_id());
  const auto stopped = [this] {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->stopped;
  };
  while (!stopped()) {
    // What was ready when a timer became due comes before it, also after a handler that took long:
    // an answer that is there has not timed out.
    absl::Duration due;
    int wait_ms = state_->WaitMilliseconds();
    for (int round = 0; round < kRounds; ++round) {
      epoll_event events[kEvents];
      const int count = epoll_wait(state_->epoll.get(), events, kEvents, wait_ms);
      PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
      due = state_->now = MonotonicNow();
      for (int i = 0; i < count; ++i) state_->Dispatch(events[i]);
      if (count < kEvents) break;
      wait_ms = 0;
    }
    // Before the timers: what follows from an event is not to wait for a burst of them.
    state_->RunPosted();
    state_->RunDueTimers(due);
  }
  state_->thread.store(std::thread::id());
  std::deque<Posted> unheard;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    unheard.swap(state_->posted);
  }
  for (const Posted& item : unheard) {
    if (item.waiter) item.waiter->Finish(false);
  }
}

void EventLoop::Stop() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopped = true;
  }
  state_->Wake();
}

}  // namespace guideway
