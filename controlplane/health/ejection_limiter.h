// Holds back ejections: how many backends of a pool may turn from healthy to unhealthy in a time.
//
// What is beyond that is held: it counts as healthy until there is room, or it is healthy again. A
// backend whose first verdict is unhealthy was never in service, and is not held. A pure
// bookkeeper: states and time are passed in. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_EJECTION_LIMITER_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_EJECTION_LIMITER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "controlplane/health/state_machine.h"

namespace guideway {

class EjectionLimiter {
 public:
  struct Limit {
    uint32_t percent = 100;  // of the backends, rounded down, but at least one
    absl::Duration interval;
    std::set<std::string> keys;  // of the pool's probed backends
  };

  // The pools that have a limit, by name. What is known of pools and backends that stay is kept.
  void SetPools(const std::map<std::string, Limit>& limits);
  // The same pool by pool.
  void SetPool(const std::string& name, Limit limit);
  void RemovePool(const std::string& name);
  // The first pool behind this name (empty: of all); null: none.
  const std::string* NextPool(const std::string& name) const;
  // Looks at all states; what the probes alone say.
  void Update(const std::function<HealthState(const std::string&)>& state_of, absl::Duration now);

  bool IsHeld(const std::string& key) const { return held_.contains(key); }
  size_t held_count() const { return held_.size(); }
  // When there is room for one that is held; InfiniteDuration() if none is.
  absl::Duration NextRoom() const;

 private:
  struct Pool {
    Limit limit;
    std::deque<absl::Duration> ejections;  // within the last interval
    std::set<std::string> in_service;      // keys that were healthy when last looked at
    bool holds = false;
  };
  void UpdatePool(const std::function<HealthState(const std::string&)>& state_of,
                  absl::Duration now, Pool* pool);

  std::map<std::string, Pool> pools_;
  std::set<std::string> held_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_EJECTION_LIMITER_H_
