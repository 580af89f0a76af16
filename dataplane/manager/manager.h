// The manager: the data plane's main thread. Takes requests from the channel, publishes snapshots,
// keeps steering in step, moves the kernel twins' packets, answers with counters.
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
#include "dataplane/manager/traffic_totals.h"
#include "dataplane/tables/snapshot_builder.h"
#include "dataplane/tables/table_draft.h"
#include "lib/channel/dataplane_end.h"

namespace guideway {

// Blocks SIGTERM and SIGINT in this thread and those it starts later, so that they only appear on
// the returned signalfd. Call it before any other thread exists.
absl::StatusOr<UniqueFd> BlockStopSignals();

class Manager {
 public:
  // Listens on `channel_socket`. `stop_signals` comes from BlockStopSignals(); `dataplane` is
  // borrowed.
  static absl::StatusOr<std::unique_ptr<Manager>> Create(Dataplane* dataplane,
                                                         const std::string& channel_socket,
                                                         UniqueFd stop_signals);
  ~Manager();

  // Until SIGTERM or SIGINT; an error only if the event loop itself fails.
  absl::Status Run();

  // One line: received, forwarded, to kernel, dropped, and whether they add up.
  std::string AccountingSummary() const;

 private:
  explicit Manager(Dataplane* dataplane) : dataplane_(dataplane), traffic_(&dataplane->workers()) {}
  absl::Status Watch(int fd);
  // Waits for an event, or moves the kernel twins' packets meanwhile. False: stop.
  absl::StatusOr<bool> RunOnce();
  void HandleChannel();
  channel::Response Handle(const channel::Request& request);
  absl::Status Publish(const TableState& tables);
  void UpdateSteering(const TableState& tables);
  void CheckSteering();
  void WriteCounters();
  bool PollTwins();

  // Constant after Create().
  Dataplane* const dataplane_;
  std::unique_ptr<channel::DataplaneEnd> channel_;
  UniqueFd epoll_;
  UniqueFd signals_;
  UniqueFd second_timer_;
  bool has_twins_ = false;

  TrafficTotals traffic_;
  bool steering_complete_ = true;  // false: some VIP did not get into a steering map
  std::vector<SteeredVip> steered_;
  std::unique_ptr<TableDraft> draft_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_MANAGER_H_
