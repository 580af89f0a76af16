// See rollback_timer.h.
#include "controlplane/rollback_timer.h"

#include <glog/logging.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace guideway {

namespace {

// A rollback that the data plane refused, or that came to nothing, is tried again.
constexpr absl::Duration kRetry = absl::Seconds(5);

}  // namespace

RollbackTimer::RollbackTimer(EventLoop* loop, ConfigStore* store, ConfigChanger* changer)
    : loop_(loop), store_(store), changer_(changer) {
  Update();
}

RollbackTimer::~RollbackTimer() { loop_->Cancel(timer_); }

void RollbackTimer::Update() {
  const auto& unconfirmed = store_->unconfirmed();
  if (!unconfirmed.has_value()) {
    loop_->Cancel(timer_);
    armed_for_ = 0;
    return;
  }
  // Once armed the monotonic clock counts, so that a clock that is set changes nothing.
  if (armed_for_ == store_->version()) return;
  Arm(std::clamp(unconfirmed->deadline - absl::Now(), absl::ZeroDuration(), unconfirmed->within));
}

void RollbackTimer::Arm(absl::Duration wait) {
  loop_->Cancel(timer_);
  armed_for_ = store_->version();
  timer_ = loop_->After(wait, [this] { RollBack(); });
}

void RollbackTimer::RollBack() {
  const uint64_t version = armed_for_;
  changer_->Run(
      {PeerIdentity::System(), "rollback"},
      [version](ConfigStore* store) -> absl::StatusOr<ConfigStore::Change> {
        // A change that was waiting before this one may have confirmed it.
        if (store->version() != version) return absl::CancelledError("confirmed meanwhile");
        return store->RollBackUnconfirmed();
      },
      [this, version](const absl::StatusOr<ConfigChanger::Result>& result) {
        if (result.ok()) return;
        LOG(ERROR) << "version " << version << " is not rolled back: " << result.status().message();
        if (store_->unconfirmed().has_value() && store_->version() == version) Arm(kRetry);
      });
}

}  // namespace guideway
