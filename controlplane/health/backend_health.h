// A backend's health from one or several probes. A pure bookkeeper: results and time are passed in.
//
// Each probe has a state machine of its own. All needed: unhealthy if one is, healthy if all are.
// Any suffices: healthy if one is, unhealthy if all are. Else it stays as it was, at first unknown.
// Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_BACKEND_HEALTH_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_BACKEND_HEALTH_H_

#include <string>
#include <vector>

#include "controlplane/health/probe.h"
#include "controlplane/health/state_machine.h"

namespace guideway {

class BackendHealth {
 public:
  struct ProbeSetting {
    std::string identity;  // of what is asked; equal before and after a change: goes on counting
    std::string label;     // "http 80"
    uint32_t rise = 2;
    uint32_t fall = 3;
  };

  explicit BackendHealth(absl::Duration now) : since_(now) {}

  // A state that was found out before this object was there; before SetProbes().
  void Assume(HealthState state) {
    state_ = state;
    assumed_ = true;
  }
  // The health stays as it is, whatever the probes were: the next results will tell.
  void SetProbes(const std::vector<ProbeSetting>& probes, bool any_suffices, absl::Duration now);
  // Takes a result of the probe with this place in SetProbes(); true if the state has changed.
  bool Record(size_t probe, const ProbeResult& result, absl::Duration now);
  // The reason of a result that could not be had is news once.
  bool RecordNotRun(size_t probe, const ProbeResult& result);

  HealthState state() const { return state_; }
  absl::Duration since() const { return since_; }  // when the state was entered
  // Of the last results; of several probes with their labels.
  std::string reason() const;
  bool not_run() const;  // the last run of a probe was not possible
  // The last results, were they verdicts, would make it unhealthy.
  bool failing() const;
  size_t probe_count() const { return probes_.size(); }

 private:
  struct One {
    ProbeSetting setting;
    HealthStateMachine health;
  };
  HealthState Combined() const;

  std::vector<One> probes_;
  bool any_suffices_ = false;
  HealthState state_ = HealthState::kUnknown;
  bool assumed_ = false;
  absl::Duration since_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_BACKEND_HEALTH_H_
