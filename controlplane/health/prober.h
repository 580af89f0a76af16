// Probes a set of backends, each at its interval, and keeps the health of each.
//
// A check is what is asked of an address at an interval. Checks that are equal run once, whoever
// wants them; those of one check never overlap. Intervals have jitter. While a backend is unknown,
// its checks are asked again within a second or, if there are many such backends, within 250 us for
// each of them; the same goes for the first check. So a verdict on every backend is there soon
// after start, at a pace that a processor can keep. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/event_loop.h"
#include "controlplane/health/backend_health.h"
#include "controlplane/health/probe.h"
#include "controlplane/health/probe_gate.h"
#include "controlplane/health/probe_starter.h"

namespace guideway {

struct ProbeTarget {
  ProbeRequest request;
  absl::Duration interval;
  double jitter = 0.1;  // of the interval, either way
  uint32_t rise = 2;
  uint32_t fall = 3;
};

// What a backend is probed with.
struct BackendProbes {
  std::vector<ProbeTarget> probes;
  bool any_suffices = false;  // else all are needed
  bool paused = false;        // not probed; health stays as it is
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
  void SetTargets(const std::map<std::string, BackendProbes>& targets);
  // Null for a key that is not probed. Valid until the next SetTargets().
  const BackendHealth* Find(const std::string& key) const;
  // Keys of those that this host could not probe the last time: their health stays as it was.
  const std::set<std::string>& not_run() const { return not_run_; }
  // How many different checks run.
  size_t check_count() const { return checks_.size(); }
  // How late probes are because this host runs as many as it can.
  absl::Duration Lateness() const { return gate_.Lateness(); }

 private:
  struct Entry {
    explicit Entry(absl::Duration now) : health(now) {}
    BackendHealth health;
    bool in_use = true;  // by the SetTargets() going on
  };
  struct Subscriber {
    std::string key;
    Entry* entry;
    size_t probe;  // which of the backend's
  };
  struct Check {
    ProbeTarget target;  // without thresholds, which are each subscriber's
    std::vector<Subscriber> subscribers;
    absl::Duration started;  // when the current or last probe was due
    EventLoop::TimerId timer = 0;
    std::shared_ptr<void> ticket;           // waits for a pass
    std::shared_ptr<ProbeGate::Pass> pass;  // while the probe runs
    std::unique_ptr<Probe> probe;
  };

  void Subscribe(const std::string& key, const ProbeTarget& target, const std::string& identity,
                 Entry* entry, size_t place);
  void Schedule(Check* check, absl::Duration delay);
  void StartProbe(Check* check);
  void Finish(Check* check, const ProbeResult& result);
  void NoteNotRun(const std::string& key, const BackendHealth& health);
  // Keys of those whose state changes.
  std::vector<std::string> Tell(const Check& check, const ProbeResult& result);
  absl::Duration UnknownInterval(const Check& check) const;
  double Random(double from, double to);

  EventLoop* loop_;
  std::function<void(const std::string&)> on_change_;
  OnResult on_result_;
  ProbeGate gate_;
  ProbeStarter starter_;
  std::mt19937_64 random_;
  std::map<std::string, Entry> entries_;
  size_t unknown_count_ = 0;  // of the entries
  std::set<std::string> not_run_;
  std::unordered_map<std::string, std::unique_ptr<Check>> checks_;  // by identity
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_
