// How many probes run at once, so that a start with ten thousand of them, or a slow minute of this
// host, makes probes late but never makes them time out for want of processor time.
//
// Two lanes. Probes by the network: only those younger than 250 ms count; one that has been out for
// longer waits for a backend and costs nothing meanwhile but a descriptor, of which probes have a
// share. Programs: all that run count. Who comes too many waits, first come, first served. Thread
// safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_GATE_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_GATE_H_

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "controlplane/event_loop.h"

namespace guideway {

class ProbeGate {
 public:
  enum Lane { kNetwork, kProgram, kLanes };
  static constexpr size_t kRoom[kLanes] = {256, 32};
  static constexpr absl::Duration kYoung = absl::Milliseconds(250);

  class Pass;  // held as long as the probe runs
  using Admitted = std::function<void(std::shared_ptr<Pass>)>;

  // At most `descriptors` probes by the network are out at a time, young or not.
  ProbeGate(EventLoop* loop, size_t descriptors);
  ~ProbeGate();
  ProbeGate(const ProbeGate&) = delete;
  ProbeGate& operator=(const ProbeGate&) = delete;

  // Calls `admitted` once: at once if there is room, else later, if the ticket is then still held.
  // The gate must outlive tickets and passes.
  std::shared_ptr<void> Ask(Lane lane, Admitted admitted);
  // How long whoever waits longest has waited; zero if nobody waits.
  absl::Duration Lateness() const;

 private:
  struct Waiting {
    absl::Duration since;
    std::weak_ptr<Admitted> admitted;
  };
  bool HasRoom(Lane lane) const {
    return taken_[lane] < kRoom[lane] && (lane != kNetwork || out_ < descriptors_);
  }
  void Admit();
  void AdmitSoon();
  void AgeYoung();

  EventLoop* loop_;
  const size_t descriptors_;
  size_t out_ = 0;  // probes by the network
  size_t taken_[kLanes] = {};
  std::deque<Waiting> waiting_[kLanes];
  std::deque<std::pair<absl::Duration, std::weak_ptr<Pass>>> young_;  // by their time to age
  EventLoop::TimerId age_timer_ = 0;
  EventLoop::TimerId admit_timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_GATE_H_
