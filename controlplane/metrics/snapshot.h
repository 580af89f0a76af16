// What metrics and status page show: a copy of the control plane's state at one moment.
//
// Thread safety: a value; shared as const between threads.
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_H_

#include <map>
#include <string>

#include "absl/time/time.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/health/probe_statistics.h"
#include "lib/stats/duration_histogram.h"

namespace guideway {

// What the control plane has measured of itself.
struct Observations {
  std::map<std::string, ProbeStatistics::Pool> probes;  // by pool
  std::map<std::string, DurationHistogram> channel;     // response times, by request
};

struct WatchSnapshot {
  v1::GetStateResponse state;
  v1::GetStatusResponse status;
  // Without a data plane that answers there are no stats, and traffic in `state` means nothing.
  bool has_stats = false;
  v1::GetStatsResponse stats;  // no VIPs in it: they are in `state`
  Observations observations;
  absl::Time taken_at;          // wall clock
  absl::Duration longest_turn;  // of the event loop, for this snapshot
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_H_
