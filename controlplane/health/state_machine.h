// A backend's health as a pure state machine: probe results in, state out; time is passed in.
//
// A backend starts unknown. One success makes an unknown backend healthy, `fall` failures in a row
// make it (or a healthy one) unhealthy, `rise` successes in a row make an unhealthy one healthy.
// Thread safety: a value; one thread at a time.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_STATE_MACHINE_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_STATE_MACHINE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace guideway {

enum class HealthState : uint8_t { kUnknown, kHealthy, kUnhealthy, kUnprobed };

class HealthStateMachine {
 public:
  // `now` is any monotonic time; the same clock in every call. `initial`: a state known from
  // elsewhere.
  HealthStateMachine(uint32_t rise, uint32_t fall, absl::Duration now,
                     HealthState initial = HealthState::kUnknown)
      : rise_(rise), fall_(fall), state_(initial), since_(now) {}

  // Takes a probe's result ("HTTP status 503"); true if the state has changed.
  bool Record(bool success, std::string reason, absl::Duration now);
  // Takes the reason why a probe could not be run, which changes nothing else. True if it is news.
  bool RecordNotRun(const std::string& reason);
  // New thresholds count from here on; the state stays.
  void SetThresholds(uint32_t rise, uint32_t fall);

  HealthState state() const { return state_; }
  const std::string& reason() const { return reason_; }    // of the last result; empty before it
  absl::Duration since() const { return since_; }          // when the state was entered
  bool not_run() const { return not_run_; }                // the last probe could not be run
  bool failing() const { return failures_in_a_row_ > 0; }  // the last that was run has failed

 private:
  uint32_t rise_;
  uint32_t fall_;
  HealthState state_;
  uint32_t successes_in_a_row_ = 0;
  uint32_t failures_in_a_row_ = 0;
  std::string reason_;
  bool not_run_ = false;
  absl::Duration since_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_STATE_MACHINE_H_
