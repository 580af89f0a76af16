// The manager: the data plane's main thread. Takes requests from the channel, publishes snapshots,
// keeps steering in step, moves the kernel twins' packets, answers with counters, and says several
// times a second who still moves.
//
// Runs on the main lcore; nothing here is on the packet path.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_MANAGER_H_
#define GUIDEWAY_DATAPLANE_MANAGER_MANAGER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/bpf/steering.h"
#include "dataplane/manager/dataplane.h"
#include "dataplane/manager/metrics_file.h"
#include "dataplane/manager/traffic_totals.h"
#include "dataplane/manager/vital_signs.h"
#include "dataplane/ports/port_watches.h"
#include "dataplane/tables/snapshot_builder.h"
#include "dataplane/tables/table_draft.h"
#include "lib/base/log_relay.h"
#include "lib/channel/dataplane_end.h"

namespace guideway {

class Manager {
 public:
  // Listens on `channel_socket`, writes `metrics_file`. `signals` comes from SettleSignals();
  // `dataplane` and `log`, which may be null, are borrowed.
  static absl::StatusOr<std::unique_ptr<Manager>> Create(Dataplane* dataplane,
                                                         const std::string& channel_socket,
                                                         const std::string& metrics_file,
                                                         UniqueFd signals, const LogRelay* log);
  ~Manager();

  // Until SIGTERM or SIGINT; an error if the event loop itself fails, or if a port can only be
  // opened anew by a new process.
  absl::Status Run();

  // What a process that ends without order must not leave behind. Nothing else may be called after.
  void RemoveFiles();

  // One line: received, forwarded, to kernel, dropped, and whether they add up.
  std::string AccountingSummary() const;

 private:
  Manager(Dataplane* dataplane, const std::string& metrics_file)
      : dataplane_(dataplane),
        traffic_(&dataplane->workers()),
        port_watches_(dataplane->ports(), static_cast<uint32_t>(dataplane->workers().size())),
        vital_signs_(&dataplane->workers()),
        metrics_file_(metrics_file) {}
  absl::Status Watch(int fd);
  // Waits for an event, or moves the kernel twins' packets meanwhile. False: stop.
  absl::StatusOr<bool> RunOnce();
  absl::Status HandleTick();
  // The board that the control plane sees.
  void Beat();
  void WriteMetrics();
  // Looks whether all workers have taken what was published.
  void Settle();
  // False: stop.
  bool HandleSignals();
  void HandleChannel();
  channel::Response Handle(const channel::Request& request);
  absl::Status Publish(const TableState& tables);
  void UpdateSteering(const TableState& tables);
  void CheckSteering();
  // Whether control planes can still connect.
  void CheckSocket();
  absl::Status LookAtPorts(absl::Duration now);
  void WriteCounters();
  bool PollTwins();

  // Constant after Create().
  Dataplane* const dataplane_;
  std::unique_ptr<channel::DataplaneEnd> channel_;
  UniqueFd epoll_;
  UniqueFd signals_;
  const LogRelay* log_ = nullptr;
  UniqueFd tick_timer_;
  bool has_twins_ = false;

  TrafficTotals traffic_;
  bool steering_complete_ = true;  // false: some VIP did not get into a steering map
  std::vector<SteeredVip> steered_;
  std::unique_ptr<TableDraft> draft_;

  std::string socket_problem_;  // why no control plane can connect; empty: it can
  PortWatches port_watches_;
  VitalSigns vital_signs_;
  MetricsFile metrics_file_;
  absl::Duration last_beat_ = -absl::InfiniteDuration();  // monotonic, as the next
  absl::Duration last_second_ = -absl::InfiniteDuration();
  absl::Duration published_at_;
  uint64_t late_generation_ = 0;  // logged that some worker has not taken it; 0: all have
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_MANAGER_H_
