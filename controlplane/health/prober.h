// Probes a set of backends, each at its interval, and keeps the health of each.
//
// Probes of one target never overlap. The interval has +-10% jitter; the first probe starts within
// min(interval, 1 s), and while a backend is unknown the interval is at most 1 s, so that a verdict
// on every backend is there soon after start. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "controlplane/event_loop.h"
#include "controlplane/health/http_probe.h"
#include "controlplane/health/probe.h"
#include "controlplane/health/state_machine.h"

namespace guideway {

struct ProbeTarget {
  ProbeRequest request;
  absl::Duration interval;
  uint32_t rise = 2;
  uint32_t fall = 3;
};

class Prober {
 public:
  // Is told of each probe's result; changes nothing.
  using OnResult = std::function<void(const std::string& key, ProbeResult::Outcome outcome,
                                      absl::Duration took)>;

  // `on_change` is called after a backend's state has changed, with the backend's key.
  Prober(EventLoop* loop, std::function<void(const std::string&)> on_change,
         OnResult on_result = nullptr);
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // Replaces the targets. A target whose key stays keeps its health, also if what is probed
  // changes: the next probes will tell.
  void SetTargets(const std::map<std::string, ProbeTarget>& targets);
  // Null for a key that is not probed. Valid until the next SetTargets().
  const HealthStateMachine* Find(const std::string& key) const;

 private:
  struct Entry {
    Entry(const ProbeTarget& probe_target, absl::Duration now)
        : target(probe_target), health(probe_target.rise, probe_target.fall, now) {}
    ProbeTarget target;
    HealthStateMachine health;
    absl::Duration started;  // of the current or last probe
    EventLoop::TimerId timer = 0;
    std::unique_ptr<Probe> probe;
  };

  void StartProbe(const std::string& key);
  void Finish(const std::string& key, const ProbeResult& result);
  double Random(double from, double to);

  EventLoop* loop_;
  std::function<void(const std::string&)> on_change_;
  OnResult on_result_;
  HttpProber http_;
  std::mt19937_64 random_;
  std::map<std::string, Entry> entries_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_
