// Transitions of the health state machine.
#include "controlplane/health/state_machine.h"

#include <utility>

namespace guideway {

bool HealthStateMachine::Record(bool success, std::string reason, absl::Duration now) {
  reason_ = std::move(reason);
  not_run_ = false;
  HealthState next = state_;
  if (success) {
    failures_in_a_row_ = 0;
    if (successes_in_a_row_ < rise_) ++successes_in_a_row_;
    if (state_ == HealthState::kUnknown || successes_in_a_row_ >= rise_) {
      next = HealthState::kHealthy;
    }
  } else {
    successes_in_a_row_ = 0;
    if (failures_in_a_row_ < fall_) ++failures_in_a_row_;
    if (failures_in_a_row_ >= fall_) next = HealthState::kUnhealthy;
  }
  if (next == state_) return false;
  state_ = next;
  since_ = now;
  return true;
}

bool HealthStateMachine::RecordNotRun(const std::string& reason) {
  not_run_ = true;
  std::string not_run = "not probed: " + reason;
  if (not_run == reason_) return false;
  reason_ = std::move(not_run);
  return true;
}

void HealthStateMachine::SetThresholds(uint32_t rise, uint32_t fall) {
  rise_ = rise;
  fall_ = fall;
}

}  // namespace guideway
