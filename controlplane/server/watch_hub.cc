// See watch_hub.h.
#include "controlplane/server/watch_hub.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/start_thread.h"

namespace guideway {

namespace {

using Event = std::shared_ptr<const v1::WatchEvent>;

// A reactor that only says no.
class Refusal final : public WatchHub::Reactor {
 public:
  explicit Refusal(const grpc::Status& why) { Finish(why); }
  void OnDone() override { delete this; }
};

void Stamp(uint64_t sequence, v1::WatchEvent* event) {
  event->set_sequence(sequence);
  event->set_time_unix_ms(absl::ToUnixMillis(absl::Now()));
}

}  // namespace

// gRPC calls the On...() on threads of its own. It is there until gRPC is done with it and nobody
// starts it any more.
class WatchHub::Watcher final : public WatchHub::Reactor {
 public:
  explicit Watcher(WatchHub* hub) : hub_(hub) {}

  // From now on events wait for the start.
  void AwaitStart() {
    const std::lock_guard<std::mutex> guard(mutex_);
    state_ = State::kAwaitsStart;
  }

  void Start(const Event& start) {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      state_ = State::kStarted;
      if (!ending_.ok()) return;
      room_ = waiting_.size() + kMaxWaiting;
      writing_ = start;
    }
    // Not under the lock: gRPC makes bytes of it here, which may take long, and Send() waits for
    // nothing. Nobody else writes or finishes until OnWriteDone().
    StartWrite(start.get());
  }

  void Send(const Event& event) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (state_ == State::kOpened || !ending_.ok()) return;
    if (waiting_.size() >= room_) {
      EndLocked({grpc::StatusCode::RESOURCE_EXHAUSTED,
                 absl::StrCat("too slow: ", kMaxWaiting, " events were waiting; watch again")});
      return;
    }
    waiting_.push_back(event);
    WriteNextLocked();
  }

  void End(const grpc::Status& why) {
    const std::lock_guard<std::mutex> guard(mutex_);
    EndLocked(why);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard<std::mutex> guard(mutex_);
    writing_ = nullptr;
    if (!ok) EndLocked({grpc::StatusCode::CANCELLED, "the watcher has gone"});
    if (!ending_.ok()) {
      FinishLocked();
    } else {
      WriteNextLocked();
    }
  }
  void OnCancel() override { End({grpc::StatusCode::CANCELLED, "the watcher has gone"}); }
  void OnDone() override { hub_->Remove(this); }

 private:
  enum class State { kOpened, kAwaitsStart, kStarted };

  void WriteNextLocked() {
    if (state_ != State::kStarted || writing_ != nullptr || waiting_.empty()) return;
    writing_ = std::move(waiting_.front());
    waiting_.pop_front();
    room_ = std::max(kMaxWaiting, std::min(room_, waiting_.size() + kMaxWaiting));
    StartWrite(writing_.get());
  }
  // A stream is not to be finished while something is being written to it.
  void EndLocked(const grpc::Status& why) {
    if (!ending_.ok()) return;
    ending_ = why;
    waiting_.clear();
    if (writing_ == nullptr) FinishLocked();
  }
  void FinishLocked() {
    if (std::exchange(finished_, true)) return;
    Finish(ending_);
  }

  WatchHub* const hub_;
  std::mutex mutex_;  // guards all below
  State state_ = State::kOpened;
  std::deque<Event> waiting_;
  size_t room_ = kMaxWaitingForStart;  // for so many that wait
  Event writing_;                      // null: nothing is being written
  grpc::Status ending_;                // not OK: to be ended with it
  bool finished_ = false;
};

WatchHub::WatchHub(MakeStart make_start)
    : make_start_(std::move(make_start)),
      started_(StartThread([this] { ServeStarts(); }, &thread_)) {}

WatchHub::~WatchHub() {
  Stop();
  if (thread_.joinable()) thread_.join();
}

WatchHub::Reactor* WatchHub::Open() {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (stopped_) return Refuse({grpc::StatusCode::UNAVAILABLE, "the control plane is stopping"});
  if (watchers_.size() >= kMaxWatchers) {
    return Refuse({grpc::StatusCode::RESOURCE_EXHAUSTED,
                   absl::StrCat("there are ", kMaxWatchers, " watchers already")});
  }
  const auto watcher = std::make_shared<Watcher>(this);
  watchers_.insert(watcher);
  opened_.push_back(watcher);
  changed_.notify_one();
  return watcher.get();
}

WatchHub::Reactor* WatchHub::Refuse(const grpc::Status& why) { return new Refusal(why); }

void WatchHub::ServeStarts() {
  for (;;) {
    std::vector<std::shared_ptr<Watcher>> starting;
    auto start = std::make_shared<v1::WatchEvent>();
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return stopped_ || !opened_.empty(); });
      if (stopped_) return;
      starting.swap(opened_);
      for (const auto& watcher : starting) watcher->AwaitStart();
      Stamp(sequence_, start.get());
    }
    const grpc::Status made = make_start_(start->mutable_start());
    for (const auto& watcher : starting) made.ok() ? watcher->Start(start) : watcher->End(made);
  }
}

void WatchHub::Publish(v1::WatchEvent event) {
  const std::lock_guard<std::mutex> guard(mutex_);
  ++sequence_;
  if (watchers_.empty()) return;
  Stamp(sequence_, &event);
  const auto shared = std::make_shared<const v1::WatchEvent>(std::move(event));
  for (const auto& watcher : watchers_) watcher->Send(shared);
}

void WatchHub::Stop() {
  const std::lock_guard<std::mutex> guard(mutex_);
  stopped_ = true;
  changed_.notify_one();
  for (const auto& watcher : watchers_) {
    watcher->End({grpc::StatusCode::UNAVAILABLE, "the control plane is stopping"});
  }
}

size_t WatchHub::watchers() const {
  const std::lock_guard<std::mutex> guard(mutex_);
  return watchers_.size();
}

void WatchHub::Remove(Watcher* watcher) {
  std::shared_ptr<Watcher> held;  // until the lock is given back
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = std::find_if(watchers_.begin(), watchers_.end(),
                                  [watcher](const auto& each) { return each.get() == watcher; });
  if (found == watchers_.end()) return;
  held = *found;
  watchers_.erase(found);
}

}  // namespace guideway
