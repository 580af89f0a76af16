// Which pools are settling: no slot of them moves for health's sake yet.
//
// A pool settles when it first appears or first has probed backends, until every backend it then
// had has a verdict (healthy or unhealthy) or the settle time has passed. While it settles, every
// backend counts as healthy. Once settled it stays so. A pure bookkeeper: time is passed in. Thread
// safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_SETTLING_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_SETTLING_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "controlplane/health/setting_round.h"

namespace guideway {

class Settling {
 public:
  // The pools in force, each with the keys of its probed backends. New pools begin to settle at
  // `now`; pools that are gone are forgotten; backends that are gone are no longer waited for.
  void SetPools(const std::map<std::string, std::set<std::string>>& probed_keys_by_pool,
                absl::Duration settle_time, absl::Duration now);
  // The same pool by pool. Who is not set between BeginPools() and the end goes.
  void BeginPools() { round_.Begin(); }
  void SetPool(const std::string& name, const std::set<std::string>& probed_keys,
               absl::Duration settle_time, absl::Duration now);
  // After the last one: looks at one more whether it is gone; false: all is done.
  bool EndPools() { return round_.ForgetNext(&pools_); }
  // Ends what has come to its end. `has_verdict(key)` says whether a backend is past unknown. True
  // if a pool has settled by this call.
  bool Update(const std::function<bool(const std::string&)>& has_verdict, absl::Duration now);

  // The same for one pool.
  bool UpdatePool(const std::string& name,
                  const std::function<bool(const std::string&)>& has_verdict, absl::Duration now);
  // For one pool, of which the backend `key` has its first verdict. Costs little.
  bool OnVerdict(const std::string& pool, const std::string& key);

  bool IsSettling(const std::string& pool) const;
  bool AnySettling() const;
  // When the next pool settles whatever its probes say; InfiniteDuration() if none is settling.
  absl::Duration NextDeadline() const;

 private:
  struct Pool {
    bool settled = false;
    bool has_probes = false;
    absl::Duration deadline;
    std::set<std::string> waiting_for;
    uint64_t round = 0;  // in which it was set last
  };
  using HasVerdict = std::function<bool(const std::string&)>;
  static bool Update(const HasVerdict& has_verdict, absl::Duration now, Pool* pool);

  std::map<std::string, Pool> pools_;
  SettingRound round_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_SETTLING_H_
