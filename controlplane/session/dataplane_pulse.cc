// See dataplane_pulse.h.
#include "controlplane/session/dataplane_pulse.h"

#include <utility>

namespace guideway {

DataplanePulse::DataplanePulse(EventLoop* loop, std::function<void()> on_look)
    : loop_(loop), on_look_(std::move(on_look)) {}

DataplanePulse::~DataplanePulse() { loop_->Cancel(timer_); }

void DataplanePulse::OnConnected() {
  if (!silent_since_) silent_since_ = loop_->Now();
}

void DataplanePulse::OnReady(channel::ControlplaneEnd* end) {
  end_ = end;
  watch_ = channel::BeatWatch();
  silent_since_.reset();
  Look();
}

void DataplanePulse::OnLost(bool hung) {
  loop_->Cancel(timer_);
  timer_ = 0;
  end_ = nullptr;
  vitals_ = channel::DataplaneVitals();
  if (!hung) silent_since_.reset();
  if (hung && !silent_since_) silent_since_ = loop_->Now();
}

absl::Duration DataplanePulse::Silence() const {
  if (!silent_since_) return absl::ZeroDuration();
  const absl::Duration silence = loop_->Now() - *silent_since_;
  return silence >= channel::kSilenceLimit ? silence : absl::ZeroDuration();
}

void DataplanePulse::Look() {
  const absl::Duration now = loop_->Now();
  end_->Beat();
  watch_.Look(end_->vitals_turn(), now);
  if (watch_.silence() == absl::ZeroDuration()) {
    silent_since_.reset();
    end_->ReadVitals(&vitals_);  // or else next time
  } else if (!silent_since_) {
    silent_since_ = now - watch_.silence();
  }
  timer_ = loop_->After(channel::kBeatInterval, [this] { Look(); });
  on_look_();
}

}  // namespace guideway
