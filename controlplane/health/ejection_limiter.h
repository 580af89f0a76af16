// Holds back ejections: how many backends of a pool may turn from healthy to unhealthy in a time.
//
// What is beyond that is held: it counts as healthy until there is room, or it is healthy again. A
// backend whose first verdict is unhealthy was never in service, and is not held, unless it was
// held before a restart, or under a key that is not configured any more; then nothing of its pool
// may turn for an interval, as it is not known how many did. A pure bookkeeper: states and time are
// passed in. Thread safety: one thread.
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
  static constexpr absl::Duration kRememberFor = absl::Minutes(1);

  struct Limit {
    uint32_t percent = 100;  // of the backends, rounded down, but at least one
    absl::Duration interval;
    std::set<std::string> keys;  // of the pool's probed backends
  };

  // The pools that have a limit, by name. What is known of pools and backends that stay is kept.
  void SetPools(const std::map<std::string, Limit>& limits);
  // The same pool by pool.
  // `is_configured` says whether a key is in the configuration that is being set; null: none else.
  using IsConfigured = std::function<bool(const std::string& key)>;
  void SetPool(const std::string& name, Limit limit, const IsConfigured& is_configured = nullptr);
  void RemovePool(const std::string& name);
  // The first pool behind this name (empty: of all); null: none.
  const std::string* NextPool(const std::string& name) const;
  // The keys of those that are held, or were when another process ended; these count for who is new
  // within kRememberFor.
  std::set<std::string> Held() const;
  void Remember(std::set<std::string> keys, absl::Duration now);
  // Looks at all states; what the probes alone say.
  void Update(const std::function<HealthState(const std::string&)>& state_of, absl::Duration now);

  bool IsHeld(const std::string& key) const { return held_.contains(key); }
  size_t held_count() const { return held_.size(); }
  // When there is room for one that is held; InfiniteDuration() if none is.
  absl::Duration NextRoom() const;

 private:
  // Whether it was held before it came here.
  bool WasHeld(const std::string& key, const IsConfigured& is_configured) const;
  struct Pool {
    Limit limit;
    std::deque<absl::Duration> ejections;  // within the last interval
    std::set<std::string> in_service;      // keys that were healthy when last looked at
    bool holds = false;
    bool budget_is_unknown = false;  // of the last interval
  };
  void UpdatePool(const std::function<HealthState(const std::string&)>& state_of,
                  absl::Duration now, Pool* pool);

  std::map<std::string, Pool> pools_;
  std::set<std::string> held_;
  std::set<std::string> remembered_;  // keys; not applied yet
  absl::Duration remembered_until_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_EJECTION_LIMITER_H_
