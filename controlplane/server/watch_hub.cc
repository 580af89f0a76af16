// See watch_hub.h.
#include "controlplane/server/watch_hub.h"

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace guideway {

namespace {

using Event = std::shared_ptr<const v1::WatchEvent>;

// A reactor that only says no.
class Refusal final : public WatchHub::Reactor {
 public:
  explicit Refusal(const grpc::Status& why) { Finish(why); }
  void OnDone() override { delete this; }
};

}  // namespace

// gRPC calls the On...() on threads of its own. It deletes itself when gRPC is done with it.
class WatchHub::Watcher final : public WatchHub::Reactor {
 public:
  explicit Watcher(WatchHub* hub) : hub_(hub) {}

  void Send(const Event& event) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (finished_ || !ending_.ok()) return;
    if (waiting_.size() >= kMaxWaiting) {
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
  void OnDone() override {
    hub_->Remove(this);
    delete this;
  }

 private:
  void WriteNextLocked() {
    if (writing_ != nullptr || waiting_.empty()) return;
    writing_ = std::move(waiting_.front());
    waiting_.pop_front();
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
  std::deque<Event> waiting_;
  Event writing_;        // null: nothing is being written
  grpc::Status ending_;  // not OK: to be ended with it
  bool finished_ = false;
};

WatchHub::WatchHub() = default;
WatchHub::~WatchHub() = default;

WatchHub::Reactor* WatchHub::Add(v1::WatchEvent start) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (stopped_) return Refuse({grpc::StatusCode::UNAVAILABLE, "the control plane is stopping"});
  if (watchers_.size() >= kMaxWatchers) {
    return Refuse({grpc::StatusCode::RESOURCE_EXHAUSTED,
                   absl::StrCat("there are ", kMaxWatchers, " watchers already")});
  }
  auto* watcher = new Watcher(this);
  watchers_.insert(watcher);
  Stamp(&start);
  watcher->Send(std::make_shared<const v1::WatchEvent>(std::move(start)));
  return watcher;
}

WatchHub::Reactor* WatchHub::Refuse(const grpc::Status& why) { return new Refusal(why); }

void WatchHub::Publish(v1::WatchEvent event) {
  const std::lock_guard<std::mutex> guard(mutex_);
  ++sequence_;
  if (watchers_.empty()) return;
  Stamp(&event);
  const auto shared = std::make_shared<const v1::WatchEvent>(std::move(event));
  for (Watcher* watcher : watchers_) watcher->Send(shared);
}

void WatchHub::Stop() {
  const std::lock_guard<std::mutex> guard(mutex_);
  stopped_ = true;
  for (Watcher* watcher : watchers_) {
    watcher->End({grpc::StatusCode::UNAVAILABLE, "the control plane is stopping"});
  }
}

size_t WatchHub::watchers() const {
  const std::lock_guard<std::mutex> guard(mutex_);
  return watchers_.size();
}

void WatchHub::Remove(Watcher* watcher) {
  const std::lock_guard<std::mutex> guard(mutex_);
  watchers_.erase(watcher);
}

void WatchHub::Stamp(v1::WatchEvent* event) const {
  event->set_sequence(sequence_);
  event->set_time_unix_ms(absl::ToUnixMillis(absl::Now()));
}

}  // namespace guideway
