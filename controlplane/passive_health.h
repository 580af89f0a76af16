// Passive health: what the data plane counts of the backends' flows, given to the outlier detector
// of each pool that has one.
//
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_PASSIVE_HEALTH_H_
#define GUIDEWAY_CONTROLPLANE_PASSIVE_HEALTH_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "controlplane/compiler/compiler.h"
#include "controlplane/health/outlier.h"
#include "lib/channel/layout.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// What a pool's configuration says. `config` is valid and has its defaults.
OutlierSettings OutlierSettingsOf(const v1::Pool& pool, const v1::Config& config);

class PassiveHealth {
 public:
  // All borrowed for the call.
  struct Input {
    const v1::Config& config;
    const Compiled& compiled;  // the indices of the backends
    const channel::CountersRegion& counters;
    std::function<HealthState(const std::string& key)> health;
    std::function<bool(const std::string& pool)> is_settling;
  };

  // Which pools want it, and how. Forgets those that do not any more. Before Observe().
  void SetConfig(const v1::Config& config);
  // True if backends were ejected or have returned; all of it is logged. To be called about every
  // second, by EventLoop::Now().
  bool Observe(const Input& input, absl::Duration now);
  // Only who returns by the passing of time: while there are no counters.
  bool Return(absl::Duration now);

  // Null: not ejected. Valid until the next call of the above.
  const OutlierDetector::Ejection* Find(const std::string& key) const;
  bool IsEjected(const std::string& key) const { return Find(key) != nullptr; }

 private:
  struct Watched {
    OutlierSettings settings;
    OutlierDetector detector;
  };

  std::map<std::string, Watched> pools_;  // by name
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_PASSIVE_HEALTH_H_
