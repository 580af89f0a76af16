// See probe_gate.h.
#include "controlplane/health/probe_gate.h"

#include <algorithm>

namespace guideway {

class ProbeGate::Pass {
 public:
  Pass(ProbeGate* gate, Lane lane) : gate_(gate), lane_(lane) {
    ++gate_->taken_[lane_];
    if (lane_ == kNetwork) ++gate_->out_;
  }
  ~Pass() {
    GiveBack();
    if (lane_ != kNetwork) return;
    if (gate_->out_-- == gate_->descriptors_ && !gate_->waiting_[lane_].empty()) {
      gate_->AdmitSoon();
    }
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  void GiveBack() {
    if (!std::exchange(counts_, false)) return;
    --gate_->taken_[lane_];
    if (!gate_->waiting_[lane_].empty()) gate_->AdmitSoon();
  }

 private:
  ProbeGate* gate_;
  const Lane lane_;
  bool counts_ = true;
};

ProbeGate::ProbeGate(EventLoop* loop, size_t descriptors)
    : loop_(loop), descriptors_(descriptors) {}

ProbeGate::~ProbeGate() {
  loop_->Cancel(age_timer_);
  loop_->Cancel(admit_timer_);
}

std::shared_ptr<void> ProbeGate::Ask(Lane lane, Admitted admitted) {
  auto ticket = std::make_shared<Admitted>(std::move(admitted));
  waiting_[lane].push_back({loop_->Now(), ticket});
  if (waiting_[lane].size() == 1) Admit();
  return ticket;
}

absl::Duration ProbeGate::Lateness() const {
  absl::Duration late;
  for (const auto& lane : waiting_) {
    for (const Waiting& waiting : lane) {
      if (waiting.admitted.expired()) continue;
      late = std::max(late, loop_->Now() - waiting.since);
      break;  // the others came later
    }
  }
  return late;
}

void ProbeGate::AdmitSoon() {
  if (admit_timer_ != 0) return;
  // Not from within the end of another probe.
  admit_timer_ = loop_->After(absl::ZeroDuration(), [this] {
    admit_timer_ = 0;
    Admit();
  });
}

void ProbeGate::Admit() {
  const absl::Duration end = loop_->Now() + EventLoop::kTurn;
  for (const Lane lane : {kNetwork, kProgram}) {
    while (HasRoom(lane) && !waiting_[lane].empty()) {
      if (loop_->Now() >= end) {  // the others in another turn
        AdmitSoon();
        break;
      }
      const std::shared_ptr<Admitted> admitted = waiting_[lane].front().admitted.lock();
      waiting_[lane].pop_front();
      if (admitted == nullptr) continue;
      auto pass = std::make_shared<Pass>(this, lane);
      if (lane == kNetwork) young_.emplace_back(loop_->Now() + kYoung, pass);
      (*admitted)(std::move(pass));
    }
  }
  AgeYoung();
}

// Takes those off the count whose time has come, and sees to the next.
void ProbeGate::AgeYoung() {
  while (!young_.empty()) {
    const std::shared_ptr<Pass> pass = young_.front().second.lock();
    if (pass != nullptr) {
      if (young_.front().first > loop_->Now()) break;
      pass->GiveBack();
    }
    young_.pop_front();
  }
  if (young_.empty() || waiting_[kNetwork].empty() || age_timer_ != 0) return;
  age_timer_ = loop_->After(young_.front().first - loop_->Now(), [this] {
    age_timer_ = 0;
    AgeYoung();
  });
}

}  // namespace guideway
