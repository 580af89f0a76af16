// What metrics and status page show: a copy of the control plane's state at one moment.
//
// Thread safety: a value; shared as const between threads.
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_H_

#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/health/probe_statistics.h"
#include "controlplane/loop_meter.h"
#include "google/protobuf/arena.h"
#include "lib/stats/duration_histogram.h"

namespace guideway {

// What the control plane has measured of itself.
struct Observations {
  std::map<std::string, ProbeStatistics::Pool> probes;  // by pool
  std::map<std::string, DurationHistogram> channel;     // response times, by request
  uint64_t lost_log_lines = 0;
  DurationHistogram loop_turns;
  std::map<std::string, LoopMeter::Work> loop_work;  // by name of the work
};

inline google::protobuf::ArenaOptions SnapshotBlocks() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = 64 << 10;
  options.max_block_size = 1 << 20;
  return options;
}

// Can be moved, not copied.
struct WatchSnapshot {
  // The state of 10,000 backends is 100,000 pieces of memory. Apart from the loop's heap they are
  // made quickly, and the loop does not wait while another thread frees them.
  std::unique_ptr<google::protobuf::Arena> arena =
      std::make_unique<google::protobuf::Arena>(SnapshotBlocks());
  v1::GetStateResponse* state =
      google::protobuf::Arena::CreateMessage<v1::GetStateResponse>(arena.get());
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
