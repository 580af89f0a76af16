// What probes came to and how long they took, by backend and by pool, for metrics.
//
// Changes nothing about health. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_STATISTICS_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_STATISTICS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "controlplane/health/probe.h"
#include "lib/stats/duration_histogram.h"

namespace guideway {

struct ProbeCounts {
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  uint64_t not_run = 0;
  absl::Duration last_duration;  // of the last one that ran

  void Add(ProbeResult::Outcome outcome, absl::Duration took);
};

class ProbeStatistics {
 public:
  struct Pool {
    ProbeCounts counts;
    DurationHistogram durations;  // of those that ran
  };

  // These are probed now. Of others the counts stay, as long as they are not too many: who comes
  // back goes on counting.
  void SetPools(const std::map<std::string, std::string>& pool_of_key);
  // The same one by one: may begin anew. Who is not set between BeginPools() and the end is not
  // probed now.
  void BeginPools();
  void SetPool(const std::string& key, const std::string& pool);
  // After the last one: looks at one more; false: all is done.
  bool EndPools();
  // A probe of the backend `key` that took `took`. Of a backend that is not known: ignored.
  void Record(const std::string& key, ProbeResult::Outcome outcome, absl::Duration took);

  const ProbeCounts* Find(const std::string& key) const;  // null: not known
  // By name, those that are probed now. Counts never decrease.
  std::map<std::string, Pool> pools() const;

 private:
  struct Backend {
    ProbeCounts counts;
    std::string pool;    // empty: not probed now; else all_pools_ has it
    uint64_t round = 0;  // of setting pools, in which it was set last
  };
  static constexpr size_t kFormer = 1000;
  std::map<std::string, Backend> backends_;  // by key
  std::map<std::string, Pool> all_pools_;
  std::set<std::string> probed_pools_;  // all_pools_ has them
  uint64_t round_ = 0;                  // of setting pools
  size_t set_backends_ = 0;             // in this round
  std::set<std::string> set_pools_;     // likewise
  std::optional<bool> forgets_;         // backends; then pools. None: EndPools() has not begun
  bool looked_at_backends_ = false;     // all of them
  std::string looked_at_;               // backend or pool
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_STATISTICS_H_
